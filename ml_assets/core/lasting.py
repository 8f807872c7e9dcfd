"""Stretches of days that are worse than they should be.

One day may look worse by chance; a second one right after it hardly does. Where a day is called
worse with an error of 2.5 %, two in a row are so by chance once in 1,600 pairs of days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

IN_A_ROW = 2


@dataclass(frozen=True)
class Stretch:
    """Days in a row that are worse; days that say nothing do not interrupt them.

    Attributes:
        first: The first of them.
        last: The last of them.
        better: The day that ended it; None while it goes on.
    """

    first: date
    last: date
    better: date | None


def stretches(days: Sequence[tuple[date, bool]]) -> list[Stretch]:
    """Return the stretches of at least ``IN_A_ROW`` days.

    Args:
        days: Each day that says something, in order, and whether it is worse.

    Example:
        >>> week = [(date(2026, 3, n), n in (2, 4, 5)) for n in range(1, 8)]
        >>> [(one.first.day, one.last.day, one.better.day) for one in stretches(week)]
        [(4, 5, 6)]
    """
    found: list[Stretch] = []
    worse: list[date] = []
    for day, is_worse in [*days, (None, False)]:
        if is_worse and day is not None:
            worse.append(day)
            continue
        if len(worse) >= IN_A_ROW:
            found.append(Stretch(worse[0], worse[-1], day))
        worse = []
    return found
