"""Alerts: what people are told of all that monitoring found, one alert a cause."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of
from ml_assets.core.alert_text import plain_text
from ml_assets.storage.alert_rows import StoredAlert
from ml_assets.storage.alerting import deliver, gather
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

SOURCES = ("drift_report", "change_report", "performance_report", "experiment_report")
SHOWN = 20


def alerts(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """What people are told: one alert a cause, when it opens, gets worse and is over.

    A message that does not go out is kept and sent again; it fails no run.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "alerts",
            stage="monitoring",
            kinds=["sqlalchemy"],
            deps=[key_of(problem, source) for source in SOURCES],
            description=alerts.__doc__,
        )
    )
    def _alerts(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        told = gather(workspace, declared, now=datetime.now(tz=UTC))
        sent = deliver(workspace, problem.name, problem.alerts)
        for channel, fault in sent.faults.items():
            context.log.warning("%s: %s It is sent again later.", channel, fault)
        waiting = [
            one for one in workspace.alerts.messages(problem.name) if one.delivered_at is None
        ]
        recent = workspace.alerts.recent(problem.name, SHOWN)
        pages = {
            "alerts": dg.MetadataValue.md(_table(recent)),
            **{
                f"text_{number}": dg.MetadataValue.text(plain_text(alert))
                for number, alert in enumerate(told, start=1)
            },
        }
        facts = {
            "open": len(workspace.alerts.open(problem.name)),
            "told_now": len(told),
            "messages_sent": sent.delivered,
            "messages_waiting": len(waiting),
        }
        return result(context, facts, pages)

    return _alerts


def _table(stored: list[StoredAlert]) -> str:
    if not stored:
        return "none"
    lines = ["| since (UTC) | until | severity | what | next |", "|---|---|---|---|---|"]
    for one in stored:
        alert = one.alert
        until = f"{alert.until:%Y-%m-%d %H:%M}" if alert.until else "open"
        title = alert.leading.title.replace("|", "\\|")
        lines.append(
            f"| {alert.since:%Y-%m-%d %H:%M} | {until} | {alert.severity} | {title} | "
            f"`{alert.next_command.replace('|', chr(92) + '|')}` |"
        )
    return "\n".join(lines)
