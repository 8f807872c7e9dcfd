"""Intervals hold the declared share of truths."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, warn_unless
from ml_assets.core.window import Window
from ml_assets.storage.coverage import FEWEST_ROWS, realised_coverage
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace


def intervals_cover(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """The intervals that callers were told hold no fewer truths than declared, beyond doubt."""
    problem = declared.problem

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        interval = problem.serving.interval
        if interval is None:
            return warn_unless(True, "No interval is declared.", {"rows": 0})
        found = realised_coverage(
            connection,
            workspace.lake,
            declared,
            window,
            confidence=problem.gates.confidence,
            seed=problem.seed,
        )
        if found.rows < FEWEST_ROWS:
            text = f"Insufficient data: {found.rows} labelled rows have an interval."
            return warn_unless(True, text, {"rows": found.rows})
        return warn_unless(
            found.high >= interval.coverage,
            f"{found.value:.1%} of {found.rows} truths lie inside ({found.low:.1%} to "
            f"{found.high:.1%}); {interval.coverage:.1%} is declared.",
            {
                "coverage": found.value,
                "low": found.low,
                "high": found.high,
                "declared": interval.coverage,
                "rows": found.rows,
                "mean_width": found.width,
            },
        )

    return asset_property(declared, "adjustment", intervals_cover, judge)
