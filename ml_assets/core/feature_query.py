"""features.sql, made ready to run: the same text over a backfill and inside the server.

features.sql is one DuckDB SELECT. It sees the view ``validated_data`` (the keys, ``event_time``,
``known_at`` and the contract's columns, without the target and the after-event columns), the view
``labels`` (the keys, ``event_time``, the target, the after-event columns and ``known_at``) and one
view for each reference table. It yields one row for each validated row: the keys,
``event_time`` and the features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.training_set import BASELINE_PREFIX
from ml_assets.core.window import Window

# Sums of floats depend on the order in which an engine adds them. Features keep 32 significant
# bits (9 decimal digits), so that a batch of a year and a request of one row agree to the bit.
SIGNIFICANT_BITS = 32
NUMERIC_KINDS = "biuf"


def quoted(name: str) -> str:
    """Return ``name`` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(moment: object) -> str:
    """Return a UTC timestamp as a SQL literal."""
    return f"TIMESTAMPTZ '{moment:%Y-%m-%d %H:%M:%S.%f}+00'"


def interval(duration: timedelta) -> str:
    """Return a duration as a SQL interval, to the microsecond."""
    microseconds = duration // timedelta(microseconds=1)
    return f"INTERVAL {microseconds} MICROSECOND"


@dataclass(frozen=True)
class PastLabel:
    """A baseline that reads the labels known at a row's time.

    Attributes:
        name: Name of the baseline.
        period: Age of the label to read; None reads the newest one that is known.
        reach: Labels older than this are not read.
    """

    name: str
    period: timedelta | None
    reach: timedelta

    def join(self, alias: str, *, keys: Sequence[str], target: str) -> str:
        """Return the ASOF join that finds the label for each row of ``f``."""
        moment = "known_at" if self.period is None else "event_time"
        order = "event_time" if self.period is None else "known_at"
        names = ", ".join(quoted(key) for key in keys)
        grouped = f"{names}, {moment}" if keys else moment
        same = "".join(f"{alias}.{quoted(key)} = f.{quoted(key)} AND " for key in keys)
        age = "" if self.period is None else f" - {interval(self.period)}"
        return (
            f"ASOF LEFT JOIN (SELECT {grouped}, arg_max({quoted(target)}, {order}) AS value, "
            f"max(known_at) AS last_known, max(event_time) AS last_event "
            f"FROM labels WHERE {quoted(target)} IS NOT NULL GROUP BY {grouped}) AS {alias} "
            f"ON {same}{alias}.{moment} <= f.event_time{age}"
        )

    def column(self, alias: str) -> str:
        """Return the joined label, or NULL where it was not known or is too old."""
        return (
            f"CASE WHEN {alias}.last_known <= f.event_time "
            f"AND {alias}.last_event >= f.event_time - {interval(self.reach)} "
            f"THEN {alias}.value END AS {quoted(BASELINE_PREFIX + self.name)}"
        )


@dataclass(frozen=True)
class FeatureQuery:
    """The text of features.sql and what it takes to ask it for some rows.

    Attributes:
        sql: Text of features.sql.
        keys: Columns that name the entity.
        target: Label column, read by the baselines.
        baselines: Baselines that look at past labels; each becomes one more column.
    """

    sql: str
    keys: tuple[str, ...]
    target: str
    baselines: tuple[PastLabel, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that name one row."""
        return (*self.keys, "event_time")

    def between(self, window: Window) -> str:
        """Return SQL for the features of the rows whose event time lies in ``window``."""
        from_start = f"f.event_time >= {literal(window.start)}"
        return self._select(f"WHERE {from_start} AND f.event_time < {literal(window.end)}")

    def among(self, asked: str) -> str:
        """Return SQL for the features of the rows that table ``asked`` names by identity."""
        same = " AND ".join(f"f.{quoted(name)} = a.{quoted(name)}" for name in self.identity)
        return self._select(f"SEMI JOIN {quoted(asked)} AS a ON {same}")

    def _select(self, restriction: str) -> str:
        body = self.sql.strip().rstrip(";")
        # The closing bracket stands on its own line: a comment may end the user's text.
        rows = f"(SELECT f.* FROM (\n{body}\n) AS f {restriction})"
        if not self.baselines:
            return rows[1:-1]
        aliases = [(f"past_{n}", baseline) for n, baseline in enumerate(self.baselines)]
        columns = ", ".join(baseline.column(alias) for alias, baseline in aliases)
        joins = "\n".join(
            baseline.join(alias, keys=self.keys, target=self.target) for alias, baseline in aliases
        )
        return f"SELECT f.*, {columns}\nFROM {rows} AS f\n{joins}"


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


def rounded(values: np.ndarray) -> np.ndarray:
    """Return floats with ``SIGNIFICANT_BITS`` significant bits; infinities become NaN.

    Example:
        >>> 0.1 + 0.2 == 0.3
        False
        >>> bool(rounded(np.array([0.1 + 0.2]))[0] == rounded(np.array([0.3]))[0])
        True
    """
    mantissa, exponent = np.frexp(values)
    kept = np.ldexp(np.rint(np.ldexp(mantissa, SIGNIFICANT_BITS)), exponent - SIGNIFICANT_BITS)
    return np.where(np.isfinite(kept), kept, np.nan)


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
        frame = connection.execute(text).df()
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
    return _canonical(frame, identity)


def _refuse_twins(frame: pd.DataFrame, identity: Sequence[str]) -> None:
    twins = frame.duplicated(list(identity))
    if twins.any():
        example = frame.loc[twins, list(identity)].iloc[0].to_dict()
        message = (
            f"features.sql yields {int(twins.sum())} rows more than once, the first for {example}. "
            "A join matches several rows: join on all keys, or aggregate first."
        )
        raise FeatureSqlError(message)


def _canonical(frame: pd.DataFrame, identity: Sequence[str]) -> FeatureRows:
    numeric, categorical = [], []
    for name in frame.columns.drop(list(identity)):
        column = frame[name]
        baseline = str(name).startswith(BASELINE_PREFIX)
        if pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind in "mM":
            message = (
                f"Feature {name!r} is a time. A model needs a number: select hour({name}), or "
                f"epoch(event_time - {name}) for an age in seconds."
            )
            raise FeatureSqlError(message)
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            frame[name] = rounded(column.to_numpy(dtype="float64", na_value=np.nan))
            kinds = numeric
        else:
            frame[name] = as_texts(column)
            kinds = categorical
        if not baseline:
            kinds.append(str(name))
    return FeatureRows(frame, tuple(numeric), tuple(categorical))


def as_texts(column: pd.Series) -> pd.Series:
    """Return values as text, None where missing."""
    present = column.notna()
    texts = pd.Series(None, index=column.index, dtype=object)
    texts[present] = column[present].map(str)
    return texts
