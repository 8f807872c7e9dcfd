"""features.sql run over a backfill: its columns in their canonical form, as a frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.feature_query import BASELINE_PREFIX, rounded


@dataclass(frozen=True)
class FeatureRows:
    """Features by row.

    Attributes:
        frame: Identity columns, features and baseline columns; numbers are float64 with NaN where
            missing, texts are object with None where missing. Sorted by event time, then keys.
        numeric: Features that are numbers, in the order of features.sql.
        categorical: Features that are texts.
    """

    frame: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]


def run_features(
    connection: duckdb.DuckDBPyConnection, text: str, *, identity: Sequence[str]
) -> FeatureRows:
    """Run the SQL of a :class:`FeatureQuery` and bring its columns into their canonical form.

    Args:
        connection: Holds the views that features.sql reads.
        text: What ``between`` or ``among`` returned.
        identity: Columns that name one row.

    Raises:
        FeatureSqlError: If the SQL fails, lacks an identity column, yields a row twice, or
            yields a column that is neither number, boolean nor text.
    """
    try:
        found = connection.execute(text)
        kinds = {str(name): str(kind) for name, kind, *_ in found.description or ()}
        frame = found.df()
    except duckdb.Error as error:
        message = f"features.sql failed: {error}. It ran over the views validated_data and labels."
        raise FeatureSqlError(message) from error
    missing = [name for name in identity if name not in frame.columns]
    if missing:
        message = (
            f"features.sql does not select {missing}. Each row is named by {list(identity)}: "
            "select these beside the features."
        )
        raise FeatureSqlError(message)
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    frame = frame.sort_values(["event_time", *[k for k in identity if k != "event_time"]])
    frame = frame.reset_index(drop=True)
    _refuse_twins(frame, identity)
    return _canonical(frame, kinds, identity)


def _refuse_twins(frame: pd.DataFrame, identity: Sequence[str]) -> None:
    twins = frame.duplicated(list(identity))
    if twins.any():
        example = frame.loc[twins, list(identity)].iloc[0].to_dict()
        message = (
            f"features.sql yields {int(twins.sum())} rows more than once, the first for {example}. "
            "A join matches several rows: join on all keys, or aggregate first."
        )
        raise FeatureSqlError(message)


def _canonical(
    frame: pd.DataFrame, kinds: Mapping[str, str], identity: Sequence[str]
) -> FeatureRows:
    numeric, categorical = [], []
    for name in frame.columns.drop(list(identity)):
        column = frame[name]
        baseline = str(name).startswith(BASELINE_PREFIX)
        if kinds[str(name)] == "BOOLEAN":
            # Whether there is a NULL among the rows must not decide what a column is.
            column = column.astype(object if baseline else "boolean")
        if pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind in "mM":
            message = (
                f"Feature {name!r} is a time. A model needs a number: select hour({name}), or "
                f"epoch(event_time - {name}) for an age in seconds."
            )
            raise FeatureSqlError(message)
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            frame[name] = rounded(column.to_numpy(dtype="float64", na_value=np.nan))
            listed = numeric
        else:
            frame[name] = as_texts(column)
            listed = categorical
        if not baseline:
            listed.append(str(name))
    return FeatureRows(frame, tuple(numeric), tuple(categorical))


def as_texts(column: pd.Series) -> pd.Series:
    """Return values as text, None where missing."""
    present = column.notna()
    texts = pd.Series(None, index=column.index, dtype=object)
    texts[present] = column[present].map(str)
    return texts
