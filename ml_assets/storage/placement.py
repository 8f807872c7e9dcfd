"""Where in the lake the rows of a window are."""

from dataclasses import dataclass
from datetime import date, timedelta

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window, floor

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Placement:
    """The part of a table that holds a window.

    Attributes:
        dates: First storage date, and the one after the last.
        predicate: Further restriction for a delta-rs replacement, where a window is shorter than a
            storage date (hourly partitions); None where the dates say it all.
        where: The same restriction as SQL for DuckDB.
    """

    dates: tuple[date, date]
    predicate: str | None
    where: str


def place(problem: Problem, window: Window, *, moment: str = "event_time") -> Placement:
    """Return where the rows of ``window`` are.

    Args:
        problem: Its partitions decide the storage dates.
        window: Whole partitions.
        moment: Column that holds the time by which rows are placed.
    """
    every = problem.partitions.every
    grain = "day" if every == "hour" else every
    first = floor(window.start, grain).date()
    after = floor(window.end - MICROSECOND, grain).date() + DAY
    where = f"_date >= DATE '{first}' AND _date < DATE '{after}'"
    if every != "hour" or window == Window(floor(window.start, "day"), floor(window.end, "day")):
        return Placement((first, after), None, where)
    column = quoted(moment)
    predicate = (
        f"{column} >= '{window.start:%Y-%m-%dT%H:%M:%S.%fZ}' "
        f"AND {column} < '{window.end:%Y-%m-%dT%H:%M:%S.%fZ}'"
    )
    exact = f"{column} >= {literal(window.start)} AND {column} < {literal(window.end)}"
    return Placement((first, after), predicate, f"{where} AND {exact}")


def whole_dates(problem: Problem, window: Window) -> Window:
    """Return ``window`` from the start of its first storage date on.

    What is stored by date has to be made for the whole date, also when an hour is materialised.
    """
    every = problem.partitions.every
    return Window(floor(window.start, "day" if every == "hour" else every), window.end)


def date_sql(problem: Problem, moment: str = "event_time") -> str:
    """Return SQL for the storage date of a row."""
    every = problem.partitions.every
    grain = "day" if every == "hour" else every
    return f"date_trunc('{grain}', {quoted(moment)} AT TIME ZONE 'UTC')::DATE"
