"""No column stands still, or comes alive, without being named."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import dagster as dg
import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection
from scipy.special import gammaln

from ml_assets.checks.property import asset_property, listed, warn_unless
from ml_assets.core.feature_query import quoted
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

# Fewer rows, or shorter stretches, are the nature of a column: a holiday flag is 0 for weeks.
LEAST_ROWS, LEAST_DAYS, LEAST_SHARE = 60, 3, 0.3
BY_CHANCE = 0.001
ANOTHER = "another"  # a value that no day has alone


def no_dead_column(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every column varies: none is constant or empty for a whole stretch of partitions.

    A column that stands at one value over at least three days and 30 % of the run is dead for that
    stretch, if it would have shown another by then at its usual rate of change. Columns that are
    dead over the whole run are named, and so are the dates on which one dies or comes alive.
    """

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        for table, name in (("column_statistics", "statistics"), ("validated_data",) * 2):
            workspace.lake.register(connection, table_name(declared, table), name=name)
        dates = place(declared.problem, window).dates
        dead, changes = dead_stretches(values_by_date(connection, *dates))
        return warn_unless(
            not dead and not changes,
            _found(dead, changes),
            {"dead_columns": dead, "columns_that_died_or_came_alive": changes},
        )

    return asset_property(declared, "column_statistics", no_dead_column, judge)


def _found(dead: list[str], changes: list[str]) -> str:
    never = [f"Never varies: {listed(dead)}."] if dead else []
    at_times = [f"{listed(changes)}."] if changes else []
    return " ".join([*never, *at_times]) or "Every column varies."


def values_by_date(connection: DuckDBPyConnection, start: date, end: date) -> pd.DataFrame:
    """Return how many rows of a storage date have which value, of columns that may stand still.

    Args:
        connection: Holds the views ``statistics`` and ``validated_data``.
        start: First storage date.
        end: The one after the last.

    Returns:
        Columns ``column``, ``_date``, ``value`` (text; of values that no day has alone, ANOTHER)
        and ``rows``, in this order.
    """
    dates = f"_date >= DATE '{start}' AND _date < DATE '{end}'"
    suspects = connection.execute(
        f"""
        SELECT "column" FROM statistics
        WHERE {dates} AND (missing = rows OR ("distinct" = 1 AND missing = 0))
        GROUP BY 1 HAVING count(*) >= {LEAST_DAYS} ORDER BY 1
        """
    ).fetchall()
    frames = [_values_of(connection, name, dates) for (name,) in suspects]
    return pd.concat(frames) if frames else pd.DataFrame({"column": []})


def _values_of(connection: DuckDBPyConnection, name: str, dates: str) -> pd.DataFrame:
    # A mark before each value tells a text from a missing value and from ANOTHER.
    found = connection.execute(
        f"""
        WITH counts AS (
            SELECT _date, coalesce('=' || CAST({quoted(name)} AS VARCHAR), '') AS value,
                   count(*) AS rows
            FROM validated_data WHERE {dates} GROUP BY ALL
        ), alone AS (SELECT min(value) FROM counts GROUP BY _date HAVING count(*) = 1)
        SELECT _date, CASE WHEN value IN (FROM alone) THEN value ELSE '{ANOTHER}' END AS value,
               sum(rows)::BIGINT AS rows
        FROM counts GROUP BY ALL ORDER BY ALL
        """
    ).df()
    found.insert(0, "column", name)
    return found


class _Stretch(NamedTuple):
    """Days, by number, on which a column had one value only."""

    start: int
    end: int
    value: str


def dead_stretches(values: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns that never vary, and the dates on which one dies or comes alive.

    Args:
        values: As ``values_by_date`` returns them.
    """
    dead, changes = [], []
    for name, column in values.groupby("column", sort=True):
        days = column.groupby("_date", sort=True).agg(
            value=("value", "min"), values=("value", "size"), rows=("rows", "sum")
        )
        for stretch in _stretches(days):
            if stretch.end - stretch.start == len(days):
                if len(days) >= LEAST_DAYS and days["rows"].sum() >= LEAST_ROWS:
                    dead.append(str(name))
            elif _is_dead(stretch, days, column):
                if stretch.start > 0:
                    changes.append(f"{name} stands still from {_date(days, stretch.start)}")
                if stretch.end < len(days):
                    changes.append(f"{name} comes alive on {_date(days, stretch.end)}")
    return dead, changes


def _date(days: pd.DataFrame, number: int) -> str:
    return str(days.index[number])[:10]


def _stretches(days: pd.DataFrame) -> Iterator[_Stretch]:
    """Yield the longest stretches of days that have one and the same value alone."""
    value, still = days["value"].to_numpy(), _still(days)
    joined = np.append(False, still[1:] & still[:-1] & (value[1:] == value[:-1]))
    for start in np.flatnonzero(still & ~joined).tolist():
        after = np.flatnonzero(~joined[start + 1 :])
        end = start + 1 + int(after[0]) if len(after) else len(days)
        yield _Stretch(start, end, value[start])


def _still(days: pd.DataFrame) -> np.ndarray:
    return ((days["values"] == 1) & (days["value"] != ANOTHER)).to_numpy()


def _is_dead(stretch: _Stretch, days: pd.DataFrame, column: pd.DataFrame) -> bool:
    """Say whether a stretch is long, and longer than chance makes it.

    Rows of another value, and days that bring one, must both have been too many to leave such a
    gap: where whole days share a value rows say too much, and where days are small days do.
    """
    length = stretch.end - stretch.start
    if length < max(LEAST_DAYS, LEAST_SHARE * len(days)):
        return False
    rows = int(days["rows"].sum())
    other = int(column["rows"][column["value"] != stretch.value].sum())
    inside = int(days["rows"].iloc[stretch.start : stretch.end].sum())
    by_rows = _gap_by_chance(inside, among=rows, events=other)
    by_days = _gap_by_chance(length - 1, among=len(days), events=_changes(days))
    return max(by_rows, by_days) < BY_CHANCE


def _changes(days: pd.DataFrame) -> int:
    """Return the number of days that have several values, or another one than the day before."""
    value, still = days["value"].to_numpy(), _still(days)
    return int((~still).sum() + (still[1:] & still[:-1] & (value[1:] != value[:-1])).sum())


def _gap_by_chance(gap: int, *, among: int, events: int) -> float:
    """Return how likely events in random places leave a gap so long, at most.

    The chance that none falls into one given gap is C(among - gap, events) / C(among, events), and
    there are ``events + 1`` gaps.
    """
    without = gammaln(among - gap + 1) - gammaln(among - gap - events + 1)
    log = without + gammaln(among - events + 1) - gammaln(among + 1)
    return float((events + 1) * np.exp(log))
