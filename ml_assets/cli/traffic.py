"""Commands about traffic: who answers which part, and who did at a moment."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.versions import Problem, Reason, opened, proven_bento
from ml_assets.components.loading import declared_problem, declared_problems
from ml_assets.core.deployment import Deployment, Mode
from ml_assets.core.errors import LedgerError
from ml_assets.storage.ledger import Entry
from ml_assets.storage.serving_state import ServingState, serving_at
from ml_assets.storage.traffic import (
    Part,
    change_traffic,
    end_traffic,
    start_traffic,
    traffic_now,
)
from ml_assets.storage.workspace import Workspace


def traffic(
    problem: Problem,
    *,
    challenger: Annotated[str | None, typer.Option(help="Version to try.")] = None,
    share: Annotated[float | None, typer.Option(help="Part of the keys that it answers.")] = None,
    ab: Annotated[bool, typer.Option("--ab", help="An A/B test rather than a canary.")] = False,
    shadow: Annotated[bool, typer.Option("--shadow", help="It answers unheard.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Withdraw the version in traffic.")] = False,
    reason: Reason = "set by hand",
) -> None:
    """Try a version beside the champion, change its share, or end that; alone: show it.

    Running servers follow within seconds. What is set by hand is rolled back by itself if it does
    harm, and is promoted by hand.
    """
    workspace, console = opened(problem), Console()
    if end and (challenger or share or ab or shadow):
        message = "--end goes alone: it withdraws the version that is in traffic."
        raise LedgerError(message)
    if end:
        version = traffic_now(workspace, problem).version
        now = datetime.now(tz=UTC)
        told = end_traffic(workspace, problem, outcome="ended_by_hand", reason=reason, now=now)
        console.print(
            f"{version} is withdrawn; {told.champion_version} answers everything, revision "
            f"{told.revision}. Next: ml-assets status {problem}"
        )
    elif challenger or share is not None or shadow:
        part = _part(workspace, problem, share, ab=ab, shadow=shadow, new=challenger is not None)
        told = _set(workspace, problem, challenger, part, reason=reason, console=console)
        _say(console, problem, told)
    else:
        _show(console, problem, serving_at(workspace.ledger.entries(problem)))


def as_of(
    moment: Annotated[datetime, typer.Argument(help="In UTC, unless it says otherwise.")],
    problem: Annotated[str | None, typer.Argument(help="Default: all problems.")] = None,
) -> None:
    """Say which versions answered at a moment, which part of the traffic each, and why."""
    enter_project()
    workspace = open_workspace()
    names = [declared_problem(problem).problem.name] if problem else sorted(declared_problems())
    then = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    table = Table("problem", "version", "role", "share", "since (UTC)", "why", "revision")
    for name in names:
        workspace.ledger.verify(name)
        state = serving_at(workspace.ledger.entries(name), then)
        if state is None:
            table.add_row(name, "nothing")
            continue
        for row in _answering(state):
            table.add_row(name, *row, str(state.revision))
    console = Console()
    console.print(f"At {then:%Y-%m-%d %H:%M:%S} UTC; the ledgers are unbroken.")
    console.print(table)
    console.print("Next: ml-assets reproduce PROBLEM VERSION")


def _answering(state: ServingState) -> Iterator[tuple[str, ...]]:
    """Yield version, role, share, since and why of all that answers."""
    champion, beside = state.champion, state.traffic
    taken = beside.share if beside else 0.0
    yield champion.version, "champion", f"{1 - taken:.0%}", _since(champion), champion.reason
    if beside is not None:
        newest = beside.newest
        role = "shadow, unheard" if beside.mode == "shadow" else f"challenger ({beside.mode})"
        yield beside.version, role, f"{taken:.0%}", _since(newest), newest.reason


def _since(entry: Entry) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S}"


def _part(
    workspace: Workspace, problem: str, share: float | None, *, ab: bool, shadow: bool, new: bool
) -> Part:
    if shadow:
        return Part("shadow", share or 0.0)
    if share is None:
        message = "Say how it takes part: --share 0.1, or --shadow."
        raise LedgerError(message)
    mode: Mode = "ab" if ab else "canary"
    if not new and not ab:
        before = traffic_now(workspace, problem).mode
        mode = mode if before == "shadow" else before
    return Part(mode, share)


def _set(
    workspace: Workspace,
    problem: str,
    challenger: str | None,
    part: Part,
    *,
    reason: str,
    console: Console,
) -> Deployment:
    now = datetime.now(tz=UTC)
    state = serving_at(workspace.ledger.entries(problem))
    tried = state.traffic.version if state and state.traffic else None
    if challenger is None or challenger == tried:
        return change_traffic(workspace, problem, part, reason=reason, now=now)
    with console.status("packing, starting and asking"):
        tag = proven_bento(workspace, problem, challenger)
    return start_traffic(
        workspace,
        problem,
        challenger,
        part,
        reason=reason,
        routing_key=declared_problem(problem).problem.serving.traffic.routing_key,
        bento=tag,
        now=datetime.now(tz=UTC),
    )


def _say(console: Console, problem: str, told: Deployment) -> None:
    beside = told.contender
    what = "answers unheard" if told.shadow else f"answers {told.share:.0%} of the keys"
    console.print(
        f"{beside.version if beside else ''} {what} beside {told.champion_version}, revision "
        f"{told.revision}. Next: ml-assets materialize {problem} --job monitoring; undo: "
        f"ml-assets traffic {problem} --end"
    )


def _show(console: Console, problem: str, state: ServingState | None) -> None:
    if state is None:
        console.print(f"Nothing serves yet. Next: ml-assets materialize {problem}")
        raise typer.Exit(1)
    table = Table("version", "role", "share", "since (UTC)", "why")
    for row in _answering(state):
        table.add_row(*row)
    console.print(table)
    if state.traffic is None:
        console.print(f"Next: ml-assets traffic {problem} --challenger VERSION --share 0.1")
    else:
        console.print(
            f"Next: ml-assets promote {problem} {state.traffic.version}, or "
            f"ml-assets traffic {problem} --end"
        )
