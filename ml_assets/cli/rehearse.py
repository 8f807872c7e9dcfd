"""`ml-assets rehearse`: retraining policies tried on a problem's own history."""

import time
from datetime import UTC, datetime
from typing import Annotated

import duckdb
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ml_assets.assets.rehearsal import CONFIDENCE, regular_moments, rehearsed_window
from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.running import asked_window
from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DataError
from ml_assets.core.rehearsal.comparison import (
    PolicyComparison,
    PolicyFigures,
    compare_policies,
)
from ml_assets.core.rehearsal.policies import AS_DECLARED, NAMES, SCHEDULED
from ml_assets.core.rehearsal.rehearse import Rehearsal
from ml_assets.core.window import Window, floor, following
from ml_assets.reports.formats import NONE, estimate, number, share
from ml_assets.reports.rehearsal import ORACLES, loss_text, rehearsal_page, verdict_of
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.rehearsal_record import record_rehearsal, rehearse_problem
from ml_assets.storage.workspace import Workspace

COLUMNS = (
    "policy",
    "loss,\n95 % interval",
    "regret",
    "re-\ntrained",
    "pro-\nmoted",
    "com-\npute, s",
    "alarms",
    "false",
    "delay",
    "loss\nand cost",
)


def rehearse(
    problem: Annotated[str, typer.Argument(help="Name of the problem.")],
    *,
    start: Annotated[
        datetime | None,
        typer.Option("--from", help="First partition to live through; default: after a third."),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--until", help="Where the last partition ends.")
    ] = None,
    policies: Annotated[
        str, typer.Option(help=f"Comma-separated, of {', '.join(NAMES)}.")
    ] = ",".join(NAMES),
    seed: Annotated[int | None, typer.Option(help="Of models, resamples and the audit.")] = None,
    change: Annotated[
        datetime | None,
        typer.Option(help="When the world changed, if that is known: an oracle is told of it."),
    ] = None,
) -> None:
    """Live through past partitions again under several retraining policies, and compare them."""
    enter_project()
    console = Console()
    declared, workspace = declared_problem(problem), open_workspace()
    window = _window(workspace, declared, start, end)
    console.print(
        f"{problem}: rehearsing {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}; "
        "nothing of the live state is touched"
    )
    began = time.monotonic()
    with duckdb.connect() as connection, console.status("living through the past"):
        connection.execute("SET TimeZone = 'UTC'")
        rehearsal = rehearse_problem(
            connection,
            workspace,
            declared,
            window,
            names=[name.strip() for name in policies.split(",")],
            regular=regular_moments(declared.problem, window),
            seed=declared.problem.seed if seed is None else seed,
            change=None if change is None else change.replace(tzinfo=UTC),
            jobs=declared.problem.search.jobs,
        )
    compared = compare_policies(rehearsal, confidence=CONFIDENCE)
    now = datetime.now(tz=UTC)
    home = workspace.home / "rehearsals" / problem / f"{now:%Y%m%dT%H%M%S}"
    record_rehearsal(home, rehearsal)
    page = home / "rehearsal.html"
    write_atomically(
        page, rehearsal_page(rehearsal, compared, confidence=CONFIDENCE, made_at=now).encode()
    )
    print_comparison(console, rehearsal, compared)
    console.print(f"{verdict_of(compared)} {time.monotonic() - began:.0f} s.")
    console.print(f"Report: [bold]{page}[/]. Decisions and ledger of each policy: {home}/state.db")
    if compared.picked in AS_DECLARED:
        lines = "{" + AS_DECLARED[compared.picked] + "}"
        if compared.picked == SCHEDULED and declared.problem.retraining.cron is not None:
            lines = "triggers: [], beside the declared cron"
        console.print(
            f"Next: write retraining: {lines} into {problem}'s defs.yaml, and rehearse again on "
            "partitions that this pick has not seen.",
            markup=False,
        )


def print_comparison(console: Console, rehearsal: Rehearsal, compared: PolicyComparison) -> None:
    """Print one line a policy, in a terminal of 80 columns too."""
    title = loss_text(rehearsal.problem.primary_metric)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False)
    rows = [_cells(one) for one in compared.figures]
    told = [place for place in range(len(COLUMNS)) if any(row[place] != NONE for row in rows)]
    for place in told:
        justify = "left" if place == 0 else "right"
        table.add_column(COLUMNS[place], justify=justify, no_wrap=True)
    for one, row in zip(compared.figures, rows, strict=True):
        style = "bold green" if one.policy == compared.picked else None
        table.add_row(*(row[place] for place in told), style=style)
    console.print(table)
    console.print(
        f"Regret: on top of {ORACLES[compared.oracle]} ({number(compared.oracle_loss)}). "
        "Delay: in monitoring windows."
    )


def _cells(one: PolicyFigures) -> list[str]:
    seen = one.detection
    alarms = false = delay = NONE
    if seen is not None:
        alarms = str(seen.alarms)
        false = NONE if seen.false_alarms is None else str(seen.false_alarms)
        delay = "missed" if seen.missed else NONE
        delay = delay if seen.delay_windows is None else str(seen.delay_windows)
    return [
        one.policy,
        estimate(one.loss.value, one.loss.low, one.loss.high).replace(" (", "\n("),
        share(one.regret.value),
        str(one.retrainings),
        str(one.promotions),
        f"{one.seconds:.0f}",
        alarms,
        false,
        delay,
        f"{one.total:.3f}",
    ]


def _window(
    workspace: Workspace,
    declared: DeclaredProblem,
    start: datetime | None,
    end: datetime | None,
) -> Window:
    """Return the partitions that are asked for, of those whose features were made."""
    name = table_name(declared, "feature_table")
    times = (
        workspace.lake.read(name, columns=["event_time"])["event_time"].to_pylist()
        if workspace.lake.exists(name)
        else []
    )
    if not times:
        message = (
            f"{name} is empty: a rehearsal replays what was materialised. "
            f"Run: ml-assets materialize {declared.problem.name} --job data"
        )
        raise DataError(message)
    problem, every = declared.problem, declared.problem.partitions.every
    last = following(floor(max(times), every), every)
    history = Window(floor(problem.partitions.start, every), last)
    until = asked_window(history, problem, None, end).end
    default = rehearsed_window(problem, until)
    return default if start is None else asked_window(history, problem, start, until)
