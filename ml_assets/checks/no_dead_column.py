"""No column stands still, or comes alive, without being named."""

import dagster as dg
import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, warn_unless
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

MIN_ROWS = 20


def no_dead_column(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every column varies: none is constant or empty for a whole stretch of partitions.

    A column that is constant within a partition of 20 rows or more, in at least three partitions
    in a row and always at the same value, is dead for that stretch. Columns that are dead over
    the whole run, and dates on which a column dies or comes alive, are named.
    """

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        table = table_name(declared, "column_statistics")
        workspace.lake.register(connection, table, name="statistics")
        days = connection.execute(
            'SELECT _date, "column", (missing = rows OR "distinct" = 1) AS still, low '
            f"FROM statistics WHERE {place(declared.problem, window).where} AND rows >= {MIN_ROWS} "
            'ORDER BY "column", _date'
        ).df()
        dead, changes = dead_stretches(days)
        return warn_unless(
            not dead and not changes,
            {"dead_columns": dead, "columns_that_died_or_came_alive": changes},
        )

    return asset_property(declared, "column_statistics", no_dead_column, judge)


def dead_stretches(days: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the columns that never vary, and the dates on which one starts or stops to vary.

    Args:
        days: Columns ``_date``, ``column``, ``still`` and ``low``, by column in order of date.
    """
    dead, changes = [], []
    for name, column in days.groupby("column", sort=True):
        still = column["still"].to_numpy(dtype=bool) & _same_value(column["low"])
        if still.all() and len(still) > 2:
            dead.append(str(name))
            continue
        dates = column["_date"].to_numpy()
        for start, end in _runs(still):
            if start > 0:
                changes.append(f"{name} stands still from {str(dates[start])[:10]}")
            if end < len(still):
                changes.append(f"{name} comes alive on {str(dates[end])[:10]}")
    return dead, changes


def _same_value(low: pd.Series) -> np.ndarray:
    """Return whether a day's value equals that of the day before or after it."""
    same = (low == low.shift()) | (low == low.shift(-1)) | low.isna()
    return same.to_numpy(dtype=bool)


def _runs(still: np.ndarray, *, least: int = 3) -> list[tuple[int, int]]:
    runs, start = [], None
    for position, value in enumerate([*still, False]):
        if value and start is None:
            start = position
        elif not value and start is not None:
            if position - start >= least:
                runs.append((start, position))
            start = None
    return runs
