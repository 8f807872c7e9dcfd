"""A half-open stretch of event time, always in UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

Every = Literal["hour", "day", "week", "month"]


@dataclass(frozen=True, order=True)
class Window:
    """All moments from ``start`` up to, and not including, ``end``.

    Example:
        >>> day = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
        >>> datetime(2024, 1, 1, 23, tzinfo=UTC) in day
        True
        >>> day.widened(before=timedelta(hours=6)).start.hour
        18
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for bound in (self.start, self.end):
            if bound.utcoffset() != timedelta(0):
                message = f"A window's bounds are in UTC; found {bound!r}."
                raise ValueError(message)
        if self.end < self.start:
            message = f"A window cannot end ({self.end}) before it starts ({self.start})."
            raise ValueError(message)

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def widened(self, *, before: timedelta) -> Self:
        """Return the window with its start moved back."""
        return type(self)(self.start - before, self.end)


def floor(moment: datetime, every: Every) -> datetime:
    """Return the start of the hour, day, week (Monday) or month that holds ``moment``.

    Example:
        >>> floor(datetime(2024, 5, 15, 7, 30, tzinfo=UTC), "week")
        datetime.datetime(2024, 5, 13, 0, 0, tzinfo=datetime.timezone.utc)
    """
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if every == "hour":
        return hour
    day = hour.replace(hour=0)
    if every == "day":
        return day
    return day - timedelta(days=day.weekday()) if every == "week" else day.replace(day=1)


def following(start: datetime, every: Every) -> datetime:
    """Return the start of the partition after the one that starts at ``start``."""
    match every:
        case "hour":
            return start + timedelta(hours=1)
        case "day":
            return start + timedelta(days=1)
        case "week":
            return start + timedelta(days=7)
        case "month":
            return (start.replace(day=28) + timedelta(days=4)).replace(day=1)


def cut(window: Window, every: Every) -> Iterator[Window]:
    """Yield the whole partitions that touch ``window``, in order."""
    start = floor(window.start, every)
    while start < window.end:
        end = following(start, every)
        yield Window(start, end)
        start = end
