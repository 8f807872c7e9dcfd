"""Production looks like what the champion was judged on."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed, warn_unless
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import episodes
from ml_assets.storage.workspace import Workspace


def drift_is_quiet(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No episode of drift is open for the version that serves."""
    problem = declared.problem

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        serving = workspace.ledger.champion(problem.name)
        seen = episodes(workspace, declared, serving.version) if serving else []
        open_ones = [episode for episode in seen if episode.is_open]
        return warn_unless(
            not open_ones,
            f"Drift since {open_ones[-1].opened:%Y-%m-%d %H:%M} in {listed(open_ones[-1].columns)}."
            if open_ones
            else "No episode of drift is open.",
            {
                "episodes": len(seen),
                "open_since": str(open_ones[-1].opened) if open_ones else "none",
                "columns": list(open_ones[-1].columns) if open_ones else [],
            },
        )

    return asset_property(declared, "drift_report", drift_is_quiet, judge)
