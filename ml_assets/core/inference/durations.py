"""Lengths of time a person would have chosen, and how ISO 8601 writes them."""

from datetime import timedelta

_SECONDS = (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 2 * 3600, 3 * 3600,
    4 * 3600, 6 * 3600, 12 * 3600,
)  # fmt: skip
_DAYS = (1, 2, 3, 7, 14, 28, 60, 90, 180, 365, 730, 1825, 3650)
NICE = (
    *(timedelta(seconds=seconds) for seconds in _SECONDS),
    *(timedelta(days=days) for days in _DAYS),
)
DAY, WEEK, YEAR = timedelta(days=1), timedelta(days=7), timedelta(days=365)


def at_most(duration: timedelta) -> timedelta:
    """Return the longest round length that is no longer.

    Example:
        >>> at_most(timedelta(hours=17)), at_most(timedelta(days=73))
        (datetime.timedelta(seconds=43200), datetime.timedelta(days=60))
    """
    return max((nice for nice in NICE if nice <= duration), default=duration)


def at_least(duration: timedelta) -> timedelta:
    """Return the shortest round length that is no shorter."""
    return min((nice for nice in NICE if nice >= duration), default=duration)


def iso(duration: timedelta) -> str:
    """Return a duration in ISO 8601, in days, hours, minutes and seconds.

    Example:
        >>> iso(timedelta(days=7)), iso(timedelta(hours=25)), iso(timedelta(seconds=1.5))
        ('P7D', 'P1DT1H', 'PT1.5S')
        >>> iso(timedelta(0))
        'PT0S'
    """
    hours, rest = divmod(duration.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    exact = seconds + duration.microseconds / 1_000_000
    clock = "".join(
        f"{amount:g}{unit}" if unit != "S" else f"{amount:.6f}".rstrip("0").rstrip(".") + "S"
        for amount, unit in ((hours, "H"), (minutes, "M"), (exact, "S"))
        if amount
    )
    days = f"{duration.days}D" if duration.days else ""
    return f"P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"
