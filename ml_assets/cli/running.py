"""Commands that make things: materialise, rebuild, serve."""

import signal
import time
from datetime import UTC, datetime
from typing import Annotated

import dagster as dg
import duckdb
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ml_assets.automation.jobs import JOBS
from ml_assets.cli.project import enter_project, open_runner, open_workspace
from ml_assets.cli.weighed import weighed
from ml_assets.components.execution import whole_history
from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DeclarationError, LedgerError, ServingError, nearest
from ml_assets.core.problem import Problem as ProblemDeclaration
from ml_assets.core.window import Window, floor, following
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.ledger import SERVES
from ml_assets.storage.rebuilding import rebuild
from ml_assets.storage.served_bento import serve as serve_bento
from ml_assets.storage.versions import stored_version

TO_DO = "what_to_do"
Problem = Annotated[str, typer.Argument(help="Name of the problem.")]


def materialize(
    problem: Problem,
    job: Annotated[str, typer.Option(help=", ".join(JOBS))] = "pipeline",
    start: Annotated[datetime | None, typer.Option(help="First partition; default: all.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Where the last partition ends.")] = None,
) -> None:
    """Materialise a problem's assets for a range of partitions, in one run."""
    enter_project()
    console = Console()
    if job not in JOBS:
        message = f"There is no job {job!r}. {nearest(job, JOBS)}"
        raise DeclarationError(message)
    with open_runner(problem) as runner:
        window = asked_window(whole_history(runner.declared), runner.declared.problem, start, end)
        console.print(
            f"{problem}: {job}, {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"
        )
        began = time.monotonic()
        with console.status("materialising"):
            result = runner.run(job, window, raise_on_error=False)
        console.print(_outcome(result))
        seconds = time.monotonic() - began
        if result.success and "evaluation_report" in JOBS[job][0]:
            told = weighed(runner.workspace, problem, window.end)
            console.print(escape(told), highlight=False)
    if not result.success:
        console.print(
            f"[bold red]failed[/] after {seconds:.0f} s. Mend what is named above, and run again."
        )
        raise typer.Exit(1)
    console.print(f"[bold green]done[/] in {seconds:.0f} s. Next: ml-assets status {problem}")


def _outcome(result: dg.ExecuteInProcessResult) -> Table:
    """Show what failed, and what each check found."""
    table = Table("asset or check", "result", "what was found")
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            said = escape(cause.message) if cause else ""
            table.add_row(event.step_key or "", "[red]failed[/]", said)
    for check in result.get_asset_check_evaluations():
        mark = "[green]holds[/]" if check.passed else f"[red]{check.severity.value}[/]"
        name = f"{check.asset_key.path[-1]}: {check.check_name}"
        table.add_row(name, mark, escape(check.description or ""))
        if not check.passed and TO_DO in check.metadata:
            table.add_row("", "", escape(str(check.metadata[TO_DO].value)))
    return table


def reproduce(
    problem: Problem,
    version: Annotated[str | None, typer.Argument(help="Default: the champion.")] = None,
) -> None:
    """Fit a version again from its recorded data, and compare the predictions to the bit."""
    enter_project()
    console = Console()
    declared, workspace = declared_problem(problem), open_workspace()
    if version is None:
        serving = workspace.ledger.champion(problem)
        if serving is None:
            message = f"{problem!r} has no champion yet. Run: ml-assets materialize {problem}"
            raise LedgerError(message)
        version = serving.version
    with duckdb.connect() as connection, console.status(f"rebuilding {version}"):
        connection.execute("SET TimeZone = 'UTC'")
        rebuilt = rebuild(
            connection, workspace, declared, stored_version(workspace, problem, version)
        )
    if not rebuilt.equal:
        console.print(
            f"[bold red]different[/]: {rebuilt.different} of {rebuilt.rows} predictions of "
            f"{version} differ, the first by {rebuilt.largest:g}. {rebuilt.explanation}"
        )
        raise typer.Exit(1)
    console.print(
        f"[bold green]the same to the bit[/]: {rebuilt.rows} predictions of {version}, fitted "
        f"again on the recorded data. Next: ml-assets report {problem}"
    )


def serve(
    problem: Problem,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the champion; a promotion or a rollback reaches the server while it runs."""
    enter_project()
    console = Console()
    declared_problem(problem)
    workspace = open_workspace()
    promoted = [
        entry
        for entry in workspace.ledger.entries(problem)
        if entry.event in SERVES and "bento" in entry.details
    ]
    if not promoted:
        message = f"{problem!r} has no Bento yet. Run: ml-assets materialize {problem}"
        raise LedgerError(message)
    log = workspace.home / "logs" / f"{problem}-server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    # As Ctrl-C does: the server is a process of its own and would outlive the command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with console.status("starting"):
        served = serve_bento(
            promoted[-1].details["bento"],
            home=workspace.bentos,
            log=log,
            spool=workspace.spool,
            deployment=workspace.deployment(problem).path,
            keys=workspace.keys.path,
            host=host,
            port=port,
        )
    console.print(f"[bold]{served.url}[/] serves {problem}; log {log}; stop with Ctrl-C.")
    try:
        status = served.wait()
    except KeyboardInterrupt:
        served.stop()
        console.print("stopped; all answered requests are in the prediction log.")
    else:
        message = f"The server ended by itself with status {status}: {log} says why."
        raise ServingError(message)


def asked_window(
    history: Window, problem: ProblemDeclaration, start: datetime | None, end: datetime | None
) -> Window:
    """Return the whole partitions from ``start`` to ``end``.

    Raises:
        DeclarationError: If there is none.
    """
    every = problem.partitions.every
    first = floor(_utc(start), every) if start else history.start
    last = history.end
    if end is not None:
        last = floor(_utc(end), every)
        last = last if last == _utc(end) else following(last, every)
    if not history.start <= first < last:
        message = (
            f"There is no partition between {first} and {last}; the problem has partitions from "
            f"{history.start} to {history.end}."
        )
        raise DeclarationError(message)
    return Window(first, last)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def until_now(declared: DeclaredProblem) -> Window:
    """Return all partitions and the one that is not over yet: it is being served."""
    history, every = whole_history(declared), declared.problem.partitions.every
    until = following(floor(datetime.now(tz=UTC), every), every)
    return Window(history.start, max(history.end, until))
