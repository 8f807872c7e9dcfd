"""Rows in = rows validated + rows rejected."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed
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
        rows, valid, rejected = (
            int(counts[name].sum()) for name in ("raw", "validated", "rejected")
        )
        differ = [str(day)[:10] for day in lost["_date"]]
        found = f"{rows:,} rows in; {valid:,} validated, {rejected:,} rejected."
        return dg.AssetCheckResult(
            passed=not differ,
            description=f"{found} They differ on {listed(differ)}." if differ else found,
            metadata={
                "rows_in": rows,
                "rows_validated": valid,
                "rows_rejected": rejected,
                "partitions_that_differ": differ,
            },
        )

    return asset_property(declared, "validated_data", every_row_accounted_for, judge, blocking=True)
