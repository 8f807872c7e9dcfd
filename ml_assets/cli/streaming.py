"""The command that scores files as they come."""

import logging
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.running import Problem
from ml_assets.components.loading import declared_problem
from ml_assets.storage.stream_scoring import StreamScoring


def score_stream(
    problem: Problem,
    source: Annotated[
        Path, typer.Option("--from", help="Folder in which .jsonl, .csv and .parquet files arrive.")
    ],
    target: Annotated[Path, typer.Option("--to", help="Folder of the results.")],
) -> None:
    """Score files of rows as they come, each row exactly once; Ctrl-C or SIGTERM ends it."""
    source, target = source.absolute(), target.absolute()
    enter_project()
    declared_problem(problem)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    scoring = StreamScoring(open_workspace(), problem, source=source, target=target)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: scoring.stop())
    console = Console()
    console.print(f"scoring {source} into {target}; stop with Ctrl-C.")
    scoring.run()
    console.print("stopped; what was not finished is scored by the next start.")
