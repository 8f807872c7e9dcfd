"""The command `ml-assets`: each call says what it did and what to do next."""

import sys

import typer
from rich.console import Console

from ml_assets.cli.accept import accept
from ml_assets.cli.alerts import alerts
from ml_assets.cli.containerize import containerize
from ml_assets.cli.demo.command import demo
from ml_assets.cli.intervene import intervene
from ml_assets.cli.keys import keys
from ml_assets.cli.label import label
from ml_assets.cli.new import new
from ml_assets.cli.rehearse import rehearse
from ml_assets.cli.running import materialize, reproduce, serve
from ml_assets.cli.skew import verify_skew
from ml_assets.cli.sql import sql
from ml_assets.cli.streaming import score_stream
from ml_assets.cli.tidy import tidy
from ml_assets.cli.traffic import as_of, traffic
from ml_assets.cli.versions import champion, promote, report, rollback, status
from ml_assets.core.errors import MLAssetsError

app = typer.Typer(
    name="ml-assets",
    help="From a declared problem to a served model that renews itself.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
for command in (
    new,
    demo,
    materialize,
    status,
    alerts,
    accept,
    sql,
    champion,
    promote,
    rollback,
    traffic,
    intervene,
    as_of,
    reproduce,
    rehearse,
    serve,
    score_stream,
    verify_skew,
    containerize,
    report,
    label,
    tidy,
):
    app.command()(command)
app.add_typer(keys, name="keys")


def main() -> None:
    """Run the command line; an expected error is one readable message and exit code 1."""
    try:
        app()
    except MLAssetsError as error:
        Console(stderr=True).print(f"[bold red]{type(error).__name__}[/]: {error}", markup=True)
        sys.exit(1)
