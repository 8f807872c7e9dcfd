"""The command about interventions: what is in force, beginning what is proposed, ending it."""

from datetime import UTC, datetime
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from ml_assets.cli.running import until_now
from ml_assets.cli.versions import Problem, Reason, opened
from ml_assets.components.loading import declared_problem
from ml_assets.core.corrections import told
from ml_assets.core.errors import LedgerError
from ml_assets.storage.adjustment_record import KIND
from ml_assets.storage.adjustments import adjust, end_intervention
from ml_assets.storage.workspace import Workspace

SHOWN = 10


def intervene(
    problem: Problem,
    *,
    begin: Annotated[
        bool, typer.Option("--begin", help="Do what the latest truths show to help.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="End what is in force.")] = False,
    reason: Reason = "set by hand",
) -> None:
    """Begin or end an intervention in the running servers; alone: show what is in force and why."""
    workspace, console = opened(problem), Console()
    if begin and end:
        message = "--begin and --end exclude each other."
        raise LedgerError(message)
    if end:
        ended = end_intervention(workspace, problem, reason=reason, now=datetime.now(tz=UTC))
        console.print(
            f"{ended.id} is over; the model answers as it was released. "
            f"Next: ml-assets intervene {problem}"
        )
    elif begin:
        _begin(workspace, problem, console)
    else:
        _show(workspace, problem, console)


def _begin(workspace: Workspace, problem: str, console: Console) -> None:
    declared = declared_problem(problem)
    with duckdb.connect() as connection, console.status("looking at the latest truths"):
        connection.execute("SET TimeZone = 'UTC'")
        now = datetime.now(tz=UTC)
        found = adjust(connection, workspace, declared, until_now(declared), now=now, by_hand=True)
    if found.decision is None:
        message = f"Nothing serves for {problem!r} that can be corrected: promote a version first."
        raise LedgerError(message)
    console.print(found.decision.reason)
    if found.decision.intervention is None:
        raise typer.Exit(1)
    console.print(f"Undo: ml-assets intervene {problem} --end")


def _show(workspace: Workspace, problem: str, console: Console) -> None:
    known = workspace.adjustment(problem).read()
    in_force = known.intervention if known else None
    if in_force is None:
        console.print("No intervention is in force.")
    else:
        console.print(
            f"[bold]{in_force.id}[/] {told(in_force.correction)}, until "
            f"{in_force.ends:%Y-%m-%d %H:%M} UTC. {in_force.reason}"
        )
    table = Table("at (UTC)", "decision", "why")
    for one in workspace.decisions.recent(problem, KIND, limit=SHOWN):
        table.add_row(f"{one.at:%Y-%m-%d %H:%M}", one.outcome, one.reason)
    console.print(table)
    command = f"ml-assets intervene {problem} {'--end' if in_force else '--begin'}"
    if in_force:
        console.print(f"Undo: {command}")
    elif declared_problem(problem).problem.serving.interventions.mode == "apply":
        console.print(f"One begins by itself once it is shown to help. To look now: {command}")
    else:
        console.print(f"Next: {command}")
