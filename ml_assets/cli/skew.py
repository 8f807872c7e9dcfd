"""The command that proves that what was served is what the batch says."""

from datetime import datetime
from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.running import Problem, asked_window, until_now
from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DataError
from ml_assets.core.skew import SkewReport
from ml_assets.storage.served_skew import replay_log

SHOWN = 20


def verify_skew(
    problem: Problem,
    start: Annotated[datetime | None, typer.Option(help="First partition; default: all.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Where the last partition ends.")] = None,
) -> None:
    """Replay the prediction log through the batch path, and compare it to the bit."""
    enter_project()
    console = Console()
    declared, workspace = declared_problem(problem), open_workspace()
    window = asked_window(until_now(declared), declared.problem, start, end)
    with duckdb.connect() as connection, console.status("replaying"):
        connection.execute("SET TimeZone = 'UTC'")
        report = replay_log(connection, workspace, problem, window)
    if not report.rows:
        message = (
            f"The prediction log of {problem!r} holds no row from {window.start} to {window.end}. "
            f"Serve some requests first: ml-assets serve {problem}"
        )
        raise DataError(message)
    for reason, rows in report.not_compared.items():
        console.print(f"[yellow]not compared[/]: {rows} rows, because {reason}")
    if report.asked_again:
        console.print(
            f"{report.asked_again} rows hold sums that depend on the order of their terms: they "
            "were asked again alone, as the server was asked"
        )
    if report.equal and report.compared:
        console.print(
            f"[bold green]the same to the bit[/]: {report.values} features and predictions of "
            f"{report.compared} rows. Next: ml-assets report {problem}"
        )
        return
    console.print(_worst(report))
    columns = ", ".join(f"{name} ({count})" for name, count in report.by_column.items())
    console.print(
        f"[bold red]different[/]: {report.different_rows} of {report.compared} rows, the largest "
        f"difference is {report.largest:g}. Columns: {columns or 'none was compared'}. "
        "Was the release, its features.sql or the log changed after it was served?"
    )
    raise typer.Exit(1)


def _worst(report: SkewReport) -> Table:
    table = Table("request", "row", "event time", "version", "column", "served", "batch")
    for one in report.worst[:SHOWN]:
        moment = f"{one.event_time:%Y-%m-%d %H:%M:%S}"
        values = (repr(one.served), repr(one.replayed))
        table.add_row(one.request_id, str(one.row), moment, one.version, one.column, *values)
    return table
