"""Rows keep coming."""

from datetime import timedelta

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, warn_unless
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

SHOWN = 20


def no_long_gap(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No time between two rows is longer than ``quality.max_gap``.

    Without a declared bound it is three partitions.
    """
    problem = declared.problem
    bound = problem.quality.max_gap or 3 * problem.partitions.typical_length

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        table = table_name(declared, "validated_data")
        workspace.lake.register(connection, table, name="rows")
        seconds = bound // timedelta(seconds=1)
        gaps = connection.execute(
            f"""
            SELECT before, event_time, epoch(event_time) - epoch(before) AS seconds FROM (
                SELECT event_time, lag(event_time) OVER (ORDER BY event_time) AS before
                FROM (SELECT DISTINCT event_time FROM rows WHERE {place(problem, window).where})
            ) WHERE epoch(event_time) - epoch(before) > {seconds} ORDER BY seconds DESC
            """
        ).fetchall()
        named = [f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}" for start, end, _ in gaps]
        return warn_unless(
            not gaps,
            f"{len(gaps)} gaps longer than {bound}, the longest {named[0]}."
            if gaps
            else f"No gap is longer than {bound}.",
            {
                "gaps": len(gaps),
                "longest_first": named[:SHOWN],
                "longest_hours": float(gaps[0][2]) / 3600 if gaps else 0.0,
                "bound": str(bound),
            },
        )

    return asset_property(declared, "validated_data", no_long_gap, judge)
