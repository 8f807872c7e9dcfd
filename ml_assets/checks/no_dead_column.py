"""No column stands still, or comes alive, without being named."""

import dagster as dg
import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed, warn_unless
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

MIN_ROWS = 20
# Shorter stretches are the nature of a column: a holiday flag is 0 for weeks.
LEAST_DAYS, LEAST_SHARE = 3, 0.3


def no_dead_column(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every column varies: none is constant or empty for a whole stretch of partitions.

    A column that stands at one value over at least three days of 20 rows or more, and over at
    least 30 % of the run, is dead for that stretch. Columns that are dead over the whole run are
    named, and so are the dates on which one dies or comes alive.
    """

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        table = table_name(declared, "column_statistics")
        workspace.lake.register(connection, table, name="statistics")
        start, end = place(declared.problem, window).dates
        days = connection.execute(
            'SELECT _date, "column", (missing = rows OR "distinct" = 1) AS still, low '
            f"FROM statistics WHERE _date >= DATE '{start}' AND _date < DATE '{end}' "
            f"AND rows >= {MIN_ROWS} "
            'ORDER BY "column", _date'
        ).df()
        dead, changes = dead_stretches(days)
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


def dead_stretches(days: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns that never vary, and the dates on which one dies or comes alive.

    Args:
        days: Columns ``_date``, ``column``, ``still`` (no variation on that day) and ``low`` (the
            value it stood at), by column in order of date.
    """
    dead, changes = [], []
    for name, column in days.groupby("column", sort=True):
        dates = column["_date"].to_numpy()
        for start, end in _constant_runs(column["still"].to_numpy(dtype=bool), column["low"]):
            if end - start == len(dates) and end - start >= LEAST_DAYS:
                dead.append(str(name))
                continue
            if end - start < max(LEAST_DAYS, LEAST_SHARE * len(dates)):
                continue
            if start > 0:
                changes.append(f"{name} stands still from {str(dates[start])[:10]}")
            if end < len(dates):
                changes.append(f"{name} comes alive on {str(dates[end])[:10]}")
    return dead, changes


def _constant_runs(still: np.ndarray, low: pd.Series) -> list[tuple[int, int]]:
    """Return the stretches (start, end) of days that stand at one and the same value."""
    values = low.to_numpy(dtype=float)
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    joined = still[1:] & still[:-1] & same
    starts = [0, *(np.flatnonzero(~joined) + 1).tolist()]
    ends = [*starts[1:], len(still)]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if still[start]]
