"""Numbers and times as people read them."""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
UNDEFINED = "undefined"
MOST_DECIMALS = 6


class Estimate(Protocol):
    """Bounds of a number that was estimated."""

    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def number(value: float | None, decimals: int | None = None) -> str:
    """Write a number with ``decimals`` places, or with three significant digits.

    Example:
        >>> number(1234.5), number(0.012345), number(2.0, 3)
        ('1,234', '0.0123', '2.000')
    """
    if value is None or not math.isfinite(value):
        return UNDEFINED
    if decimals is None:
        if value != 0 and abs(value) < 10**-MOST_DECIMALS:
            return f"{value:.2e}".replace("-", MINUS)
        decimals = _decimals(value, digits=3)
    text = f"{value:,.{decimals}f}"
    rounded_to_zero = not any(digit in text for digit in "123456789")
    return text.lstrip("-") if rounded_to_zero else text.replace("-", MINUS)


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """Write an interval, or say that there is none.

    Example:
        >>> interval(1.791, 1.904, 2), interval(None, None)
        ('1.79 to 1.90', 'no interval')
    """
    if low is None or high is None:
        return "no interval"
    places = width_decimals(low, high) if decimals is None else decimals
    return f"{number(low, places)} to {number(high, places)}"


def estimate(
    value: float | None, low: float | None, high: float | None, *, decimals: int | None = None
) -> str:
    """Write a number with its interval in brackets.

    Example:
        >>> estimate(1.8449, 1.7912, 1.9035)
        '1.84 (1.79 to 1.90)'
    """
    if low is None or high is None:
        return f"{number(value, decimals)} (no interval)"
    places = width_decimals(low, high) if decimals is None else decimals
    return f"{number(value, places)} ({interval(low, high, places)})"


def width_decimals(low: float, high: float) -> int:
    """Return the decimals that show two digits of the interval's width."""
    width = abs(high - low)
    if not math.isfinite(width) or width == 0:
        return _decimals(high, digits=3)
    return _decimals(width, digits=2)


def common_decimals(estimates: Iterable[Estimate]) -> int | None:
    """Return one number of decimals for a whole column, None if nothing has an interval."""
    return max(
        (
            width_decimals(row.low, row.high)
            for row in estimates
            if row.low is not None and row.high is not None
        ),
        default=None,
    )


def share(value: float) -> str:
    """Write a share as a percentage that no line break divides.

    Example:
        >>> share(0.95) == "95\N{NO-BREAK SPACE}%"
        True
    """
    return f"{100 * value:.3g}\N{NO-BREAK SPACE}%"


def day(moment: datetime | None) -> str:
    """Write the day, or a dash if there is none."""
    return NONE if moment is None else f"{moment:%Y-%m-%d}"


def minute(moment: datetime | None) -> str:
    """Write day, hour and minute in UTC, or a dash if there is none."""
    return NONE if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def shortened(text: str, length: int) -> str:
    """Cut a long text for a plot; the table beside it has the whole."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _decimals(value: float, *, digits: int) -> int:
    if value == 0 or not math.isfinite(value):
        return 0
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return min(max(places, 0), MOST_DECIMALS)
