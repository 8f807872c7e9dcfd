"""What changed when production drifted, by name."""

import dagster as dg

from ml_assets.assets.describe import WrittenTable, result, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.change.report import ChangeReport
from ml_assets.resources.engine import Engine
from ml_assets.storage.change_reports import (
    SCHEMA,
    TABLE,
    NamedChange,
    change_table,
    name_changes,
)
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place, whole_dates
from ml_assets.storage.workspace import Workspace


def change_report(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Each episode of drift by name: other rows, other classes, another relation, or wrong data.

    Features, slices and constants of a physical model are named with their share of the change and
    its interval. An episode is looked at again as long as it drifts.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "change_report",
            stage="monitoring",
            kinds=["deltalake", "scikitlearn"],
            deps=[
                key_of(problem, "drift_report"),
                key_of(problem, "prediction_log"),
                key_of(problem, "labels"),
            ],
            description=change_report.__doc__,
            metadata=table_metadata(declared, TABLE),
        )
    )
    def _change_report(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = whole_dates(problem, window_of(context))
        with duckdb.get_connection() as connection:
            named = name_changes(connection, workspace, declared, window)
        table = change_table(declared, named)
        version = workspace.lake.replace(
            table_name(declared, TABLE), table, dates=place(problem, window).dates
        )
        facts = {
            "episodes": len(named),
            "kinds": [one.report.kind for one in named],
            "data_faults": sum(one.report.is_data_fault for one in named),
        }
        pages = {"changes": dg.MetadataValue.md(changes_text(named))}
        return result(context, facts, pages, table=WrittenTable(version, SCHEMA))

    return _change_report


def changes_text(named: list[NamedChange]) -> str:
    """Return named changes as Markdown."""
    if not named:
        return "nothing drifted"
    return "\n\n".join(
        f"**{one.episode.id}**: {one.report.sentence}\n\n{_tables(one.report)}" for one in named
    )


def _tables(report: ChangeReport) -> str:
    parts = []
    if report.shares:
        lines = ["| what | of | share of the change | from | to |", "|---|---|---|---|---|"]
        lines += [
            f"| {one.name} | {one.of} | {one.share:.0%} | {one.low:.0%} | {one.high:.0%} |"
            for one in report.shares
        ]
        parts.append("\n".join(lines))
    if report.parameters:
        lines = [
            "| constant | before | after | change from | to | p |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {one.name} ({one.unit}) | {one.before:.4g} | {one.after:.4g} | {one.low:+.3g} | "
            f"{one.high:+.3g} | {one.p_value:.1g} |"
            for one in report.parameters
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
