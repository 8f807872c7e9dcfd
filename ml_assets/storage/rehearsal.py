"""A rehearsal's past, read from the lake once, and where its fitted models lie meanwhile."""

import pickle
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.errors import DataError
from ml_assets.core.feature_query import BASELINE_PREFIX, literal, quoted
from ml_assets.core.feature_rows import as_texts
from ml_assets.core.rehearsal.fits import Fitted
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.lake import Lake


def read_past(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> Past:
    """Return all rows of a window with every label that was ever known of them.

    Raises:
        DataError: If a table was never materialised, or there is no row.
    """
    problem = declared.problem
    for table in ("feature_table", "labels", "validated_data"):
        if not lake.exists(table_name(declared, table)):
            message = (
                f"{problem.name}/{table} is empty: a rehearsal replays what was materialised. "
                f"Run: ml-assets materialize {problem.name} --job data"
            )
            raise DataError(message)
        lake.register(connection, table_name(declared, table), name=f"lake_{table}")
    identity = ", ".join(quoted(name) for name in problem.identity)
    described = connection.execute("DESCRIBE lake_feature_table").fetchall()
    columns = [name for name, *_ in described if name != "_date"]
    extra = [s.column for s in problem.slices if s.column not in columns]
    chosen = ", ".join([*(f"f.{quoted(c)}" for c in columns), *(f"v.{quoted(c)}" for c in extra)])
    join = f"JOIN lake_validated_data AS v USING ({identity})" if extra else ""
    order = ", ".join(["event_time", *map(quoted, problem.keys)])
    within = f"f.event_time >= {literal(window.start)} AND f.event_time < {literal(window.end)}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE past AS "
        f"SELECT row_number() OVER (ORDER BY {order}) - 1 AS _place, * FROM "
        f"(SELECT {chosen} FROM lake_feature_table AS f {join} WHERE {within})"
    )
    frame = connection.execute("SELECT * EXCLUDE (_place) FROM past ORDER BY _place").df()
    if frame.empty:
        message = f"{problem.name!r} has no row between {window.start} and {window.end}."
        raise DataError(message)
    target = quoted(problem.label.column)
    labels = connection.execute(
        f"SELECT p._place, l.{target} AS label, l.known_at, l.superseded_at "
        f"FROM lake_labels AS l JOIN past AS p USING ({identity}) "
        f"WHERE l.{target} IS NOT NULL ORDER BY p._place, l.known_at"
    ).df()
    return _past(declared, frame, labels, columns)


def _past(
    declared: DeclaredProblem, frame: pd.DataFrame, labels: pd.DataFrame, columns: list[str]
) -> Past:
    problem = declared.problem
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    numeric, categorical = [], []
    for name in columns:
        if name in problem.identity or name.startswith(BASELINE_PREFIX):
            continue
        if pd.api.types.is_float_dtype(frame[name]):
            numeric.append(name)
        else:
            frame[name] = as_texts(frame[name])
            categorical.append(name)
    label = labels["label"]
    return Past(
        frame=frame,
        target=problem.label.column,
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        label_row=labels["_place"].to_numpy(dtype=np.intp),
        label=(label.astype(np.float64) if problem.task == "regression" else label).to_numpy(),
        known_at=_moments(labels["known_at"]),
        superseded_at=_moments(labels["superseded_at"]),
    )


def _moments(column: pd.Series) -> np.ndarray:
    return column.astype("datetime64[us, UTC]").dt.tz_localize(None).to_numpy("datetime64[us]")


@dataclass(frozen=True)
class ModelShelf(MutableMapping[str, Fitted]):
    """Fitted models in a folder that lasts as long as one rehearsal; its processes share it.

    Attributes:
        folder: A private one: what lies in it is loaded without an audit.
    """

    folder: Path

    def __getitem__(self, name: str) -> Fitted:
        path = self.folder / name
        if not path.is_file():
            raise KeyError(name)
        return pickle.loads(path.read_bytes())  # noqa: S301 - this rehearsal wrote it

    def __setitem__(self, name: str, fitted: Fitted) -> None:
        draft = self.folder / f".{name}.{id(fitted)}"
        draft.write_bytes(pickle.dumps(fitted, pickle.HIGHEST_PROTOCOL))
        draft.replace(self.folder / name)

    def __delitem__(self, name: str) -> None:
        (self.folder / name).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self.folder.iterdir() if not path.name.startswith("."))

    def __len__(self) -> int:
        return sum(1 for _ in self)
