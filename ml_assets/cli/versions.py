"""Commands about versions: what serves, what served, what is to serve."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.components.loading import declared_problem, declared_problems
from ml_assets.core.errors import LedgerError
from ml_assets.storage.bento_validation import validate_bento
from ml_assets.storage.bentos import build_bento
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.ledger import SERVES
from ml_assets.storage.retrainings import KIND
from ml_assets.storage.serving_state import serving_at
from ml_assets.storage.versions import deploy, served_release, stored_version
from ml_assets.storage.workspace import Workspace

Problem = Annotated[str, typer.Argument(help="Name of the problem.")]
Reason = Annotated[str, typer.Option(help="Why, for the ledger.")]
SHOWN = 5


def status(
    problem: Annotated[str | None, typer.Argument(help="Default: all problems.")] = None,
) -> None:
    """Show what serves, what production looks like and what was decided."""
    enter_project()
    console, workspace = Console(), open_workspace()
    names = [problem] if problem else sorted(declared_problems())
    table = Table(
        "problem", "champion", "since (UTC)", "beside", "judged until", "drift", "newest decision"
    )
    for name in names:
        declared = declared_problem(name)
        serving = workspace.ledger.champion(name)
        seen = episodes(workspace, declared, serving.version) if serving else []
        judged = newest_window_end(workspace, declared)
        decided = workspace.decisions.recent(name, KIND, limit=1)
        state = serving_at(workspace.ledger.entries(name))
        beside = state.traffic if state else None
        open_now = [episode for episode in seen if episode.is_open]
        table.add_row(
            name,
            serving.version if serving else "none",
            f"{serving.at:%Y-%m-%d %H:%M}" if serving else "",
            f"{beside.version} ({beside.mode} {beside.share:.0%})" if beside else "",
            f"{judged:%Y-%m-%d %H:%M}" if judged else "nothing yet",
            ", ".join(open_now[-1].columns) if open_now else "quiet",
            decided[0].reason if decided else "",
        )
    console.print(table)
    for name in names:
        release = served_release(workspace, name)
        if release:
            console.print(f"{name} evaluator: {release.evaluator}", markup=False)
    if problem and not workspace.ledger.champion(problem):
        console.print(f"Next: ml-assets materialize {problem}")
    elif problem:
        console.print(f"Next: ml-assets report {problem}, or ml-assets serve {problem}")


def champion(
    problem: Problem,
    at: Annotated[datetime | None, typer.Option(help="Which one served at this moment.")] = None,
) -> None:
    """Say which version serves, or served at a moment, why, and from which data."""
    workspace, console = opened(problem), Console()
    moment = at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
    workspace.ledger.verify(problem)
    entry = workspace.ledger.champion(problem, moment)
    if entry is None:
        when = f"at {moment}" if moment else "yet"
        console.print(
            f"No version of {problem} serves {when}. Next: ml-assets materialize {problem}"
        )
        raise typer.Exit(1)
    stored = stored_version(workspace, problem, entry.version)
    console.print(f"[bold]{entry.version}[/] ({entry.event} {entry.at:%Y-%m-%d %H:%M} UTC)")
    console.print(f"why: {entry.reason}")
    console.print(f"data: {stored.version.rows} rows, {stored.version.recipe}")
    console.print(f"ledger: entry {entry.sequence}, {entry.hash[:16]}; the chain is unbroken.")
    console.print(f"Next: ml-assets reproduce {problem} {entry.version}")


def promote(
    problem: Problem,
    version: Annotated[str, typer.Argument(help="Version to serve.")],
    reason: Reason = "promoted by hand",
) -> None:
    """Let a packaged version serve, after it was started and asked again."""
    workspace, console = opened(problem), Console()
    with console.status("packing, starting and asking"):
        tag = proven_bento(workspace, problem, version)
    entry, deployed = deploy(
        workspace,
        problem,
        version,
        event="promoted",
        reason=reason,
        details={"bento": tag},
        now=datetime.now(tz=UTC),
    )
    console.print(
        f"{entry.version} serves, revision {deployed.revision}. Undo: ml-assets rollback {problem}"
    )


def proven_bento(workspace: Workspace, problem: str, version: str) -> str:
    """Pack a version, start it, ask it, and return the tag of its Bento.

    Raises:
        LedgerError: If it was never packaged, or does not answer as it must.
    """
    stored = stored_version(workspace, problem, version)
    if stored.release is None:
        message = (
            f"{version} was never packaged: the gates kept it out. Train a new cutoff instead."
        )
        raise LedgerError(message)
    folder = workspace.artefacts.folder(stored.release)
    tag = build_bento(folder, problem=problem, version=version, home=workspace.bentos)
    found = validate_bento(tag, folder, home=workspace.bentos)
    if not found.passed:
        failed = [f"{row.check}: {row.observed}" for row in found.rows if not row.passed]
        message = f"{version} must not serve: {'; '.join(failed)}"
        raise LedgerError(message)
    return tag


def rollback(
    problem: Problem,
    version: Annotated[str | None, typer.Argument(help="Default: who served before.")] = None,
    reason: Reason = "rolled back by hand",
) -> None:
    """Let an earlier version serve again; running servers follow within seconds."""
    workspace, console = opened(problem), Console()
    target = version or _served_before(workspace, problem)
    entry, deployed = deploy(
        workspace, problem, target, event="rolled_back", reason=reason, now=datetime.now(tz=UTC)
    )
    console.print(
        f"{entry.version} serves again, revision {deployed.revision}. "
        f"Next: ml-assets status {problem}"
    )


def report(problem: Problem) -> None:
    """Say where the newest evaluation report is, and what the ledger says."""
    workspace, console = opened(problem), Console()
    performance = workspace.performance_page(problem)
    pages = sorted(set(performance.parent.glob("*.html")) - {performance})
    if not pages:
        console.print(f"No report yet. Next: ml-assets materialize {problem}")
        raise typer.Exit(1)
    table = Table("when (UTC)", "event", "version", "reason")
    for entry in workspace.ledger.entries(problem)[-SHOWN:]:
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M}", entry.event, entry.version, entry.reason)
    console.print(table)
    console.print(f"Report: [bold]{pages[-1]}[/] (open it in a browser)")
    if performance.is_file():
        console.print(f"Performance in production: [bold]{performance}[/]")


def opened(problem: str) -> Workspace:
    """Return the project's workspace, after the problem's name was found to exist."""
    enter_project()
    declared_problem(problem)
    return open_workspace()


def _served_before(workspace: Workspace, problem: str) -> str:
    current = workspace.ledger.champion(problem)
    for entry in reversed(workspace.ledger.entries(problem)):
        if current and entry.event in SERVES and entry.version != current.version:
            return entry.version
    message = f"No other version of {problem!r} has served, so there is nothing to go back to."
    raise LedgerError(message)
