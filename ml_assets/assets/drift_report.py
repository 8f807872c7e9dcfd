"""Drift: production against what the serving version was judged on."""

import dagster as dg

from ml_assets.assets.describe import WrittenTable, picture, result, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.drift_notice import NOTICE_FILE, DriftNotice
from ml_assets.reports.thumbnails import sparkline
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import (
    SCHEMA,
    TABLE,
    Judgement,
    judge_windows,
    verdict_table,
)
from ml_assets.storage.exclusive import alone
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place, whole_dates
from ml_assets.storage.workspace import Workspace

SHOWN = 20


def drift_report(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """A verdict on each monitoring window: quiet, insufficient data, or drift and its columns.

    Consecutive windows of drift are one episode.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "drift_report",
            stage="monitoring",
            kinds=["whylogs", "deltalake"],
            deps=[key_of(problem, "production_profile")],
            description=drift_report.__doc__,
            metadata=table_metadata(declared, TABLE),
        )
    )
    def _drift_report(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        window = whole_dates(problem, window_of(context))
        judged = judge_windows(workspace, declared, window)
        name = table_name(declared, TABLE)
        table = verdict_table(declared, judged)
        version = workspace.lake.replace(name, table, dates=place(problem, window).dates)
        notify_servers(workspace, declared, judged)
        states = [one.verdict.state for one in judged]
        effects = [_largest_effect(one) for one in judged]
        pages: dict[str, dg.MetadataValue] = {"findings": dg.MetadataValue.md(_findings(judged))}
        if effects:
            pages["largest_effect"] = picture(sparkline(effects, title="Largest effect"))
        facts = {
            "windows": len(judged),
            "windows_with_drift": states.count("drift"),
            "windows_without_a_verdict": states.count("insufficient"),
        }
        return result(context, facts, pages, table=WrittenTable(version, SCHEMA))

    return _drift_report


def notify_servers(
    workspace: Workspace, declared: DeclaredProblem, judged: list[Judgement]
) -> None:
    """Put the newest verdict beside the deployment, where servers show it among their figures."""
    if not judged:
        return
    newest = judged[-1]
    start = newest.verdict.window_start
    place = workspace.deployment(declared.problem.name).path.with_name(NOTICE_FILE)
    notice = DriftNotice(
        newest.version,
        newest.verdict.state,
        start + declared.problem.monitoring.window,
        _largest_effect(newest),
    )
    with alone(place.parent):
        if (
            place.is_file()
            and DriftNotice.from_json(place.read_bytes()).window_end > notice.window_end
        ):
            return  # an earlier partition was judged again
        write_atomically(place, notice.to_json().encode())


def _largest_effect(one: Judgement) -> float | None:
    effects = [abs(f.effect) for f in one.verdict.tested if f.kind == "shift" and f.scale == 1]
    return max(effects, default=None)


def _findings(judged: list[Judgement]) -> str:
    found = [(one, f) for one in judged for f in one.verdict.drifted]
    if not found:
        return "none"
    lines = ["| window | version | column | what | effect | p |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.verdict.window_start:%Y-%m-%d %H:%M} | {one.version} | {f.column} | {f.kind} | "
        f"{f.effect:.2f} | {f.p_value:.1g} |"
        for one, f in found[-SHOWN:]
    ]
    return "\n".join(lines)
