"""Training sets: the join of features and labels as they were known at a cutoff."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.errors import DataError
from ml_assets.core.feature_query import BASELINE_PREFIX, literal, quoted
from ml_assets.core.feature_rows import as_texts
from ml_assets.core.histories import earliest
from ml_assets.core.training_set import TrainingSet
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.lake import Lake


@dataclass(frozen=True)
class TrainingRecipe:
    """All it takes to make the same training set again.

    Attributes:
        cutoff: Nothing known after it is used.
        features_version: Version of the table of features.
        labels_version: Version of the table of labels.
        rows_version: Version of the validated rows, which slices may read.
    """

    cutoff: datetime
    features_version: int
    labels_version: int
    rows_version: int

    @classmethod
    def of_today(cls, lake: Lake, declared: DeclaredProblem, cutoff: datetime) -> Self:
        """Return the recipe over the tables as they are now.

        Raises:
            DataError: If a table was never materialised.
        """
        versions = {}
        for table in ("feature_table", "labels", "validated_data"):
            version = lake.version(table_name(declared, table))
            if version is None:
                name = declared.problem.name
                message = (
                    f"{name}/{table} is empty: materialise it first (ml-assets materialize {name})."
                )
                raise DataError(message)
            versions[table] = version
        return cls(
            cutoff, versions["feature_table"], versions["labels"], versions["validated_data"]
        )

    @property
    def tables(self) -> dict[str, int]:
        """The version of each table that is read."""
        return {
            "feature_table": self.features_version,
            "labels": self.labels_version,
            "validated_data": self.rows_version,
        }

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "cutoff": self.cutoff.isoformat(),
            "features_version": self.features_version,
            "labels_version": self.labels_version,
            "rows_version": self.rows_version,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Build the recipe that ``to_json`` described."""
        plain: dict[str, Any] = {**values, "cutoff": datetime.fromisoformat(values["cutoff"])}
        return cls(**plain)


def read_training_set(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    recipe: TrainingRecipe,
) -> TrainingSet:
    """Return the training set that ``recipe`` describes.

    Raises:
        DataError: If it holds no row.
    """
    problem = declared.problem
    for table, version in recipe.tables.items():
        name = f"lake_{table}"
        lake.register(connection, table_name(declared, table), name=name, version=version)
    columns = _columns(connection)
    frame = connection.execute(_join(declared, recipe, columns)).df()
    if frame.empty:
        message = (
            f"No row of {problem.name!r} has a label that was known at {recipe.cutoff}. "
            f"The label delay is {problem.label.delay}: materialise earlier partitions, or wait."
        )
        raise DataError(message)
    return _training_set(frame, declared, recipe.cutoff, columns)


def _columns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    described = connection.execute("DESCRIBE lake_feature_table").fetchall()
    return [name for name, *_ in described if name != "_date"]


def _join(declared: DeclaredProblem, recipe: TrainingRecipe, features: list[str]) -> str:
    problem = declared.problem
    identity = ", ".join(quoted(name) for name in problem.identity)
    chosen = ", ".join(f"f.{quoted(name)}" for name in features)
    extra = [s.column for s in problem.slices if s.column not in features]
    slices = "".join(f", v.{quoted(name)}" for name in extra)
    rows = f"JOIN lake_validated_data AS v USING ({identity})" if extra else ""
    since = earliest(problem, recipe.cutoff)
    recent = f"AND f.event_time >= {literal(since)}" if since else ""
    return f"""
        SELECT {chosen}, l.{quoted(problem.label.column)}, l.known_at AS label_known_at{slices}
        FROM lake_feature_table AS f
        JOIN {known_by("lake_labels", recipe.cutoff)} AS l USING ({identity}) {rows}
        WHERE l.{quoted(problem.label.column)} IS NOT NULL {recent}
        ORDER BY {", ".join(["event_time", *map(quoted, problem.keys)])}
    """


def _training_set(
    frame: pd.DataFrame, declared: DeclaredProblem, cutoff: datetime, columns: list[str]
) -> TrainingSet:
    problem = declared.problem
    for name in ("event_time", "label_known_at"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    numeric, categorical = [], []
    for name in columns:
        if name in problem.identity or name.startswith(BASELINE_PREFIX):
            continue
        if pd.api.types.is_float_dtype(frame[name]):
            numeric.append(name)
        else:
            frame[name] = as_texts(frame[name])
            categorical.append(name)
    target = problem.label.column
    if problem.task == "regression":
        frame[target] = frame[target].astype(np.float64)
    return TrainingSet(frame, target, tuple(numeric), tuple(categorical), cutoff)
