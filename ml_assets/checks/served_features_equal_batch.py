"""What was served is what the batch says."""

from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property
from ml_assets.core.skew import SkewReport
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.served_skew import replay_log
from ml_assets.storage.workspace import Workspace

SHOWN = 20


def served_features_equal_batch(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every served feature and prediction is the one that the batch path gives, to the bit.

    The logged inputs run through features.sql of the release once more, as a batch.
    """

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        table = table_name(declared, "prediction_log")
        workspace.lake.register(connection, table, name="prediction_log")
        report = replay_log(
            connection, workspace, declared.problem.name, window, rows="prediction_log"
        )
        told = report.rows == 0 or report.compared > 0
        error = dg.AssetCheckSeverity.ERROR
        return dg.AssetCheckResult(
            passed=report.equal and told,
            severity=dg.AssetCheckSeverity.WARN if report.equal else error,
            metadata=skew_facts(report),
        )

    return asset_property(declared, "prediction_log", served_features_equal_batch, judge)


def skew_facts(report: SkewReport) -> dict[str, Any]:
    """Return a report as metadata."""
    rows = [
        f"| {d.request_id} | {d.row} | {d.event_time:%Y-%m-%d %H:%M:%S} | {d.version} "
        f"| {d.column} | {d.served!r} | {d.replayed!r} |"
        for d in report.worst[:SHOWN]
    ]
    head = "| request | row | event time | version | column | served | batch |"
    table = "\n".join([head, "|---|---|---|---|---|---|---|", *rows])
    return {
        "rows": report.rows,
        "compared": report.compared,
        "values": report.values,
        "different_rows": report.different_rows,
        "largest_difference": report.largest,
        "asked_again_alone": report.asked_again,
        "different_by_column": dict(report.by_column),
        "not_compared": dict(report.not_compared),
        "worst": dg.MetadataValue.md(table if rows else "No row differs."),
    }
