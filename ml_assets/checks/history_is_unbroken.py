"""The ledger was not changed after it was written."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property
from ml_assets.core.errors import LedgerError
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace


def history_is_unbroken(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Each entry of the ledger carries the hash of the one before, from the first to the last."""
    problem = declared.problem.name

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        broken = ""
        try:
            workspace.ledger.verify(problem)
        except LedgerError as error:
            broken = str(error)
        entries = workspace.ledger.entries(problem)
        return dg.AssetCheckResult(
            passed=not broken,
            description=broken or f"{len(entries)} entries follow each other.",
            metadata={
                "entries": len(entries),
                "newest_hash": entries[-1].hash if entries else "none",
                "broken": broken or "nowhere",
            },
        )

    return asset_property(declared, "champion", history_is_unbroken, judge)
