"""`ml-assets demo`: the whole loop in a few minutes, on the embedded plant."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import dagster as dg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy.stats import beta

from ml_assets.assets.scoreboard import DetectionScore
from ml_assets.cli.demo.journey import Travelled, travel
from ml_assets.cli.demo.plan import Plan, plan_for, with_scenario
from ml_assets.cli.demo.policies import (
    ADAPTIVE,
    CONFIDENCE,
    Outcomes,
    compare_policies,
    phases_of,
    series_of,
)
from ml_assets.cli.project import enter_project
from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.window import Window
from ml_assets.reports.demo_content import DemoContent, Detection, FalseAlarms
from ml_assets.reports.timeline import demo_page
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.workspace import Workspace

PROBLEM = "plant"


def demo(
    scenario: Annotated[
        str, typer.Option(help="What happens to the plant: quiet, friction_step, …")
    ] = "friction_step",
) -> None:
    """Play the whole loop: history, champion, real traffic, wear, drift, retraining, recovery."""
    enter_project()
    console = Console()
    declared = declared_problem(PROBLEM)
    plan = plan_for(declared.problem, scenario)
    declared = replace(declared, problem=with_scenario(declared.problem, plan.scenario))
    made_at = datetime.now(tz=UTC)
    home = Path(".ml_assets") / "demo" / f"{scenario.split('@')[0]}-{made_at:%Y%m%dT%H%M%S}"
    workspace = Workspace(home)
    console.print(f"[bold]ml_assets demo[/] scenario [bold]{plan.scenario}[/], in {home}")
    with dg.DagsterInstance.ephemeral() as instance, _progress(console) as progress:
        runner = ProblemRunner(declared, workspace, instance)
        task = progress.add_task("starting", total=3 + 2 * len(plan.days))

        def tell(what: str) -> None:
            progress.update(task, description=what, advance=1)

        travelled = travel(runner, plan, log=home / "server.log", tell=tell)
        tell("comparing with never and with always retraining")
        outcomes = compare_policies(
            runner, plan, first=travelled.first, retrainings=travelled.retrainings
        )
        progress.update(task, completed=3 + 2 * len(plan.days), description="done")
    page = workspace.home / "demo.html"
    content = demo_content(workspace, plan, travelled, outcomes, made_at)
    write_atomically(page, demo_page(content).encode())
    print_outcome(console, content, outcomes, page)


def demo_content(
    workspace: Workspace, plan: Plan, travelled: Travelled, outcomes: Outcomes, made_at: datetime
) -> DemoContent:
    """Return what the page of the demonstration says."""
    score = travelled.score
    onset = score.onset if score else None
    promoted = [event.time for event in travelled.events if event.kind == "promoted"]
    phases = phases_of(outcomes, _phases(plan, onset, promoted))
    detected = [
        e.time for e in travelled.events if e.kind == "detected" and e.time > (onset or e.time)
    ]
    detections = ()
    if onset is not None and onset < plan.production.end:
        delay = score.delay_windows if score else None
        detections = (
            Detection(
                change=plan.scenario,
                began=onset,
                seen=min(detected, default=None),
                delay_windows=delay,
            ),
        )
    return DemoContent(
        scenario=plan.scenario,
        description=(
            f"{travelled.rows} readings were answered over HTTP in {travelled.requests} requests."
        ),
        verdict=_verdict(travelled),
        metric="mae",
        unit="mm",
        confidence=CONFIDENCE,
        made_at=made_at,
        highlighted=ADAPTIVE,
        series=series_of(outcomes),
        phases=phases,
        events=tuple(travelled.events),
        detections=detections,
        false_alarms=_false_alarms(score) if score else None,
        paths={"workspace": str(workspace.home), "reports": str(workspace.home / "reports")},
        next_commands=(
            ("make dev", "open the graph in a browser"),
            (f"ml-assets materialize {PROBLEM}", "build the plant problem in your own workspace"),
            (f"ml-assets serve {PROBLEM}", "serve its champion"),
        ),
    )


def print_outcome(console: Console, content: DemoContent, outcomes: Outcomes, page: Path) -> None:
    """Print the timeline, the table of errors and what to open next."""
    timeline = Table(title="What happened", title_justify="left")
    for column in ("when (UTC)", "what", "detail"):
        timeline.add_column(column)
    for event in content.events:
        detail = event.detail if event.kind != "detected" else ""
        timeline.add_row(f"{event.time:%Y-%m-%d %H:%M}", event.what, detail[:100])
    console.print(timeline)
    errors = Table(title="Mean absolute error, mm (95 % interval)", title_justify="left")
    phases = list(dict.fromkeys(score.phase for score in content.phases))
    for column in ("policy", *phases, "trainings"):
        errors.add_column(column)
    cells = {
        (s.policy, s.phase): f"{s.value:.2f} ({s.low:.2f}-{s.high:.2f})" for s in content.phases
    }
    for policy, trainings in outcomes.trainings.items():
        errors.add_row(policy, *(cells.get((policy, p), "") for p in phases), str(trainings))
    console.print(errors)
    for detection in content.detections:
        seen = f"{detection.delay_windows} windows" if detection.delay_windows else "not seen"
        console.print(f"Detection delay: [bold]{seen}[/] of six hours.")
    if content.false_alarms:
        alarms = content.false_alarms
        console.print(f"False alarms: [bold]{alarms.alarms}[/] in {alarms.windows} windows.")
    console.print(content.verdict)
    console.print(f"Report: [bold]{page}[/]")
    for command, what in content.next_commands:
        console.print(f"  [bold]{command}[/]  {what}")


def _false_alarms(score: DetectionScore) -> FalseAlarms:
    """Return the rate of alarms before any change, with the exact interval of Clopper-Pearson."""
    tail, windows, alarms = (1 - CONFIDENCE) / 2, score.quiet_windows, score.false_alarms
    low = float(beta.ppf(tail, alarms, windows - alarms + 1)) if alarms else 0.0
    high = float(beta.ppf(1 - tail, alarms + 1, windows - alarms)) if alarms < windows else 1.0
    return FalseAlarms(alarms=alarms, windows=windows, low=low, high=high)


def _phases(plan: Plan, onset: datetime | None, promoted: list[datetime]) -> dict[str, Window]:
    """Return the stretches whose errors are compared."""
    production = plan.production
    if onset is None or onset >= production.end:
        return {"all days": production}
    after = [moment for moment in promoted if moment > onset and moment < production.end]
    adapted = after[0] if after else production.end
    phases = {"before": Window(production.start, onset), "during": Window(onset, adapted)}
    if adapted < production.end:
        phases["after"] = Window(adapted, production.end)
    return phases


def _verdict(travelled: Travelled) -> str:
    score = travelled.score
    promotions = sum(event.kind == "promoted" for event in travelled.events)
    if score is None or score.onset is None:
        alarms = score.false_alarms if score else 0
        return f"Nothing changed, {alarms} windows raised an alarm, {promotions} models replaced."
    seen = (
        "was not seen"
        if score.delay_windows is None
        else (f"was seen in the {_ordinal(score.delay_windows)} window")
    )
    return f"The change {seen}; {travelled.retrainings} retrainings, {promotions} promoted."


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
    )
