"""Rows in = rows validated + rows rejected."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.partition_counts import partition_counts
from ml_assets.storage.workspace import Workspace


def every_row_accounted_for(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every raw row is either validated or rejected, in each partition."""

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        counts = partition_counts(connection, workspace.lake, declared, window)
        lost = counts[counts["raw"] != counts["validated"] + counts["rejected"]]
        return dg.AssetCheckResult(
            passed=lost.empty,
            metadata={
                "rows_in": int(counts["raw"].sum()),
                "rows_validated": int(counts["validated"].sum()),
                "rows_rejected": int(counts["rejected"].sum()),
                "partitions_that_differ": [str(day)[:10] for day in lost["_date"]],
            },
        )

    return asset_property(declared, "validated_data", every_row_accounted_for, judge, blocking=True)
