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

import numpy as np

from ml_assets.core.window import Window

# Sums of floats depend on the order in which an engine adds them. Features keep 32 significant
# bits (9 decimal digits), so that a batch of a year and a request of one row agree to the bit.
SIGNIFICANT_BITS = 32
_DROPPED_BITS = 53 - SIGNIFICANT_BITS
# Columns of baselines carry this before their name.
BASELINE_PREFIX = "baseline__"


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

    def everything(self) -> str:
        """Return SQL for the features of all rows of ``validated_data``."""
        return self._select("")

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


def rounded(values: np.ndarray) -> np.ndarray:
    """Return floats with ``SIGNIFICANT_BITS`` significant bits; infinities become NaN.

    Ties go to the even neighbour. Numbers below 2**-1022 keep fewer bits.

    Args:
        values: Numbers, of any shape.

    Example:
        >>> 0.1 + 0.2 == 0.3
        False
        >>> bool(rounded(np.array([0.1 + 0.2]))[0] == rounded(np.array([0.3]))[0])
        True
    """
    values = np.ascontiguousarray(values, dtype=np.float64)
    bits = values.view(np.int64)
    # Of a float as an integer, the lowest bits are the last of its fraction; a carry goes into the
    # exponent, as it should.
    kept = bits >> _DROPPED_BITS
    kept &= 1
    kept += (1 << (_DROPPED_BITS - 1)) - 1
    kept += bits
    kept &= -1 << _DROPPED_BITS
    found = kept.view(np.float64)
    finite = np.isfinite(values) & np.isfinite(found)
    return found if finite.all() else np.where(finite, found, np.nan)
