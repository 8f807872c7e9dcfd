"""The command that lists alerts, and tries whether they reach people."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.components.loading import declared_problem
from ml_assets.core.alert import Alert, Signal
from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Problem
from ml_assets.storage.alert_rows import StoredAlert
from ml_assets.storage.notifier import channels_of
from ml_assets.storage.workspace import Workspace

TEST = "test"
SHOWN = 20


def alerts(
    problem: Annotated[str, typer.Argument(help="Name of the problem, or 'test'.")],
    tested: Annotated[
        str | None, typer.Argument(metavar="[PROBLEM]", help="After 'test': whose channels.")
    ] = None,
) -> None:
    """List open and past alerts; `ml-assets alerts test PROBLEM` tries each channel."""
    enter_project()
    if tested is None:
        listed(open_workspace(), declared_problem(problem).problem, Console())
    elif problem == TEST:
        tried(declared_problem(tested).problem, Console(), now=datetime.now(tz=UTC))
    else:
        message = f"Only 'test' goes before a problem's name; found {problem!r}."
        raise typer.BadParameter(message)


def listed(workspace: Workspace, problem: Problem, console: Console) -> None:
    """Show every alert, the open ones in full."""
    stored = workspace.alerts.recent(problem.name, SHOWN)
    if not stored:
        console.print(
            f"No alert yet of {problem.name}. Try the channels: ml-assets alerts test "
            f"{problem.name}"
        )
        return
    waiting = {
        one.alert for one in workspace.alerts.messages(problem.name) if one.delivered_at is None
    }
    table = Table("since (UTC)", "until", "severity", "what", "told")
    for one in stored:
        alert = one.alert
        table.add_row(
            f"{alert.since:%Y-%m-%d %H:%M}",
            f"{alert.until:%Y-%m-%d %H:%M}" if alert.until else "open",
            alert.severity,
            alert.leading.title,
            "not yet" if one.id in waiting else "yes",
        )
    console.print(table)
    for one in stored:
        if one.closed_at is None:
            console.print(f"\n{one.text}", markup=False, highlight=False, soft_wrap=True)
    _faults(workspace, problem, console)
    console.print(f"Next: {_next(stored, problem)}", markup=False, soft_wrap=True)


def tried(problem: Problem, console: Console, *, now: datetime) -> None:
    """Send a message through each declared channel, and say what came of it.

    Raises:
        Exit: If one did not go out.
    """
    signal = Signal(
        key=f"test/{problem.name}/{now:%Y%m%dT%H%M%S}",
        kind="test",
        severity="info",
        title="a test of the channel",
        what="Nothing: somebody wanted to know whether alerts arrive.",
        sure="Certain.",
        since=now,
        until=now,
        lasts=False,
        next_command=f"ml-assets alerts {problem.name}",
    )
    alert = Alert(problem=problem.name, signals=(signal,))
    failed = False
    for channel in channels_of(problem.alerts):
        try:
            channel.send(alert, signal.key)
        except DeliveryError as error:
            failed = True
            console.print(f"[red]{channel.name}[/]: ", end="")
            console.print(str(error), markup=False)
        else:
            console.print(f"[green]{channel.name}[/]: sent")
    if failed:
        raise typer.Exit(1)
    console.print(f"Next: ml-assets alerts {problem.name}")


def _faults(workspace: Workspace, problem: Problem, console: Console) -> None:
    for one in workspace.alerts.messages(problem.name):
        if one.delivered_at is None and one.fault:
            again = f"sent again after {one.next_at:%Y-%m-%d %H:%M} UTC"
            console.print(
                f"{one.channel}: not delivered after {one.attempts} attempts, {again}. {one.fault}",
                markup=False,
            )


def _next(stored: list[StoredAlert], problem: Problem) -> str:
    for one in stored:
        if one.closed_at is None:
            return one.alert.next_command
    return f"ml-assets status {problem.name}"
