"""What is frozen in the contract: ranges with a margin, and lists of allowed values."""

import math
from dataclasses import dataclass

from ml_assets.core.contract import Kind
from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.kinds import TYPED
from ml_assets.core.inference.texts import Texts

MOST_ALLOWED = 24
ROWS_A_VALUE = 5
# Whole numbers are codes if they are few, and none is rare.
MOST_CODES = 12
CODE_SHARE = 0.005
FAR_OUT = 5.0


@dataclass(frozen=True)
class Limits:
    """Bounds and allowed values of a column, and what was seen beside them.

    Attributes:
        low: Smallest value, for numbers.
        high: Largest value, for numbers.
        at_least: Lower bound to freeze.
        at_most: Upper bound to freeze.
        allowed: Values to freeze.
        remarks: What a person should know about them.
    """

    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    allowed: tuple[str | int, ...] | None = None
    remarks: tuple[str, ...] = ()


def limits_of(texts: Texts, name: str, kind: Kind, *, freeze: bool) -> Limits:
    """Return what the contract may hold a column to.

    Args:
        texts: Holds the table ``typed``.
        name: The column.
        kind: Its kind.
        freeze: Whether the rows at hand are enough to judge later ones by.
    """
    match kind:
        case "float" | "integer":
            return _of_numbers(texts, name, kind, freeze=freeze)
        case "string" if freeze:
            return Limits(allowed=_allowed(texts, name, share=0.0))
        case _:
            return Limits()


def _allowed(texts: Texts, name: str, *, share: float) -> tuple[str | int, ...] | None:
    """Return the values of a column that seems to have shown all it has.

    A value that was seen a few times only says that others were not seen yet; one that is missing
    from the first or the last half of the time says that values come and go.
    """
    column = quoted(name)
    counts = texts.rows(
        f"WITH halves AS (SELECT {column} AS value, event_time > (SELECT median(event_time) FROM "
        f"{TYPED}) AS late FROM {TYPED} WHERE {column} IS NOT NULL AND event_time IS NOT NULL) "
        "SELECT value, count(*), count(*) / sum(count(*)) OVER (), bool_or(late), "
        f"bool_or(NOT late) FROM halves GROUP BY value ORDER BY value LIMIT {MOST_ALLOWED + 1}"
    )
    steady = all(n >= ROWS_A_VALUE and part >= share and all(seen) for _, n, part, *seen in counts)
    if not 1 < len(counts) <= MOST_ALLOWED or not steady:
        return None
    return tuple(value for value, *_ in counts)


def _of_numbers(texts: Texts, name: str, kind: Kind, *, freeze: bool) -> Limits:
    column = quoted(name)
    low, high, near_low, middle, near_high, zeros, rows, distinct = texts.row(
        f"SELECT min({column}), max({column}), quantile_cont({column}, 0.001), median({column}), "
        f"quantile_cont({column}, 0.999), avg(({column} = 0)::INT), count({column}), "
        f"count(DISTINCT {column}) FROM {TYPED}"
    )
    if rows == 0:
        return Limits()
    remarks = _far_out(low=low, high=high, near=(near_low, near_high), middle=middle)
    if not freeze or distinct < 2:
        return Limits(low, high, remarks=remarks)
    if kind == "integer" and distinct <= MOST_CODES:
        share = 0.0 if (low, high) == (0, 1) else CODE_SHARE
        allowed = _allowed(texts, name, share=share)
        if allowed is not None:
            return Limits(low, high, allowed=allowed, remarks=remarks)
    at_least, at_most = bounds(low, high, zero_is_an_end=zeros >= 0.005 and low == 0)
    if kind == "integer":
        at_least, at_most = math.floor(at_least), math.ceil(at_most)
        at_least = max(at_least, 0) if low >= 0 else at_least
    return Limits(low, high, at_least, at_most, remarks=remarks)


def bounds(low: float, high: float, *, zero_is_an_end: bool) -> tuple[float, float]:
    """Return bounds as far beyond the values as these are apart, rounded outwards.

    Args:
        low: Smallest value.
        high: Largest value.
        zero_is_an_end: Whether values pile up at zero, their smallest.

    Example:
        >>> bounds(0.1, 11.9, zero_is_an_end=False)
        (-12.0, 24.0)
        >>> bounds(0.0, 977.0, zero_is_an_end=True)
        (0.0, 2000.0)
    """
    width = high - low
    unit = 10.0 ** math.floor(math.log10(width)) if width > 0 else 1.0
    if width / unit < 2:
        unit /= 10
    floor_, ceiling = math.floor((low - width) / unit) * unit, math.ceil((high + width) / unit)
    digits = max(0, -math.floor(math.log10(unit)))
    least = 0.0 if zero_is_an_end else round(floor_, digits)
    return least, round(ceiling * unit, digits)


def _far_out(
    *, low: float, high: float, near: tuple[float, float], middle: float
) -> tuple[str, ...]:
    """Name an extreme that lies many times further out than 999 of 1000 values."""
    remarks = []
    below, above = middle - near[0], near[1] - middle
    usual = max(below, above)
    if usual > 0 and middle - low > FAR_OUT * usual:
        remarks.append(
            f"min {low:g} lies far below the rest (0.1 % quantile {near[0]:g}): raise ge to "
            "reject it"
        )
    if usual > 0 and high - middle > FAR_OUT * usual:
        remarks.append(
            f"max {high:g} lies far above the rest (99.9 % quantile {near[1]:g}): lower le to "
            "reject it"
        )
    return tuple(remarks)
