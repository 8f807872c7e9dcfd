"""The journey, day by day: data, traffic, profiles, verdicts, retraining."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from ml_assets.assets.scoreboard import DetectionScore, detection_score
from ml_assets.automation.retraining import decide_now, partition_before
from ml_assets.cli.demo.plan import DAY, Plan
from ml_assets.cli.demo.traffic import send_day
from ml_assets.components.execution import ProblemRunner
from ml_assets.core.errors import ServingError
from ml_assets.core.window import Window
from ml_assets.reports.demo_content import DemoEvent
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.served_bento import ServedBento, serve
from ml_assets.storage.versions import StoredVersion, champion_version

SWAP_SECONDS = 30.0
Tell = Callable[[str], None]


@dataclass
class Travelled:
    """What happened.

    Attributes:
        first: The version that served first.
        events: In order of time.
        requests: Requests that were answered.
        rows: Rows that were answered.
        retrainings: Cutoffs that were trained after the first.
        score: Detection against the truth.
    """

    first: StoredVersion
    events: list[DemoEvent] = field(default_factory=list)
    requests: int = 0
    rows: int = 0
    retrainings: int = 0
    score: DetectionScore | None = None


def travel(runner: ProblemRunner, plan: Plan, *, log: Path, tell: Tell) -> Travelled:
    """Play a plan from the first model to the last day of traffic.

    Args:
        runner: The problem in a workspace of its own.
        plan: The days.
        log: File for what the server says.
        tell: Is told of each step in words.
    """
    name, workspace = runner.declared.problem.name, runner.workspace
    tell(f"history: {plan.history.start:%Y-%m-%d} to {plan.history.end:%Y-%m-%d}, first champion")
    runner.run("pipeline", plan.history)
    first = champion_version(workspace, name)
    if first is None:
        message = "The first training promoted nothing: read the evaluation report for the gate."
        raise ServingError(message)
    travelled = Travelled(first)
    tell(f"serving {first.name} over HTTP")
    server = _start(runner, log)
    try:
        with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
            for day in plan.days:
                _live(runner, day, client, travelled, tell)
    finally:
        server.stop()
    travelled.score = detection_score(workspace, runner.declared, plan.production.end)
    if travelled.score.onset is not None and travelled.score.onset < plan.production.end:
        change = DemoEvent(time=travelled.score.onset, what="wear begins", kind="change")
        travelled.events.append(change)
    travelled.events.sort(key=lambda event: event.time)
    return travelled


def _start(runner: ProblemRunner, log: Path) -> ServedBento:
    name, workspace = runner.declared.problem.name, runner.workspace
    champion = workspace.ledger.champion(name)
    tag = champion.details["bento"] if champion else ""
    return serve(
        tag,
        home=workspace.bentos,
        log=log,
        spool=workspace.spool,
        deployment=workspace.deployment(name).path,
    )


def _live(
    runner: ProblemRunner, day: Window, client: httpx.Client, travelled: Travelled, tell: Tell
) -> None:
    """Live through one day."""
    declared, workspace = runner.declared, runner.workspace
    # Labels of the evening before have come since: their partition is done again.
    both = Window(day.start - DAY, day.end)
    tell(f"{day.start:%Y-%m-%d}: data and traffic")
    runner.run("data", both)
    sent = send_day(client, workspace, declared, day)
    travelled.requests += sent.requests
    travelled.rows += sent.rows
    tell(f"{day.start:%Y-%m-%d}: profiles and verdicts")
    runner.run("monitoring", both)
    now = newest_window_end(workspace, declared) or day.end
    _note_detection(runner, travelled)
    decision = decide_now(workspace, declared, now=now)
    if decision.retrain:
        _retrain(runner, now, client, travelled, reason=decision.reason, tell=tell)


def _note_detection(runner: ProblemRunner, travelled: Travelled) -> None:
    champion = runner.workspace.ledger.champion(runner.declared.problem.name)
    seen = episodes(runner.workspace, runner.declared, champion.version) if champion else []
    known = {event.detail for event in travelled.events if event.kind == "detected"}
    for episode in seen:
        columns = ", ".join(episode.columns)
        detail = f"{episode.id}"
        if detail not in known:
            end = episode.opened + runner.declared.problem.monitoring.window
            what = f"drift seen in {columns} ({episode.severity})"
            travelled.events.append(DemoEvent(time=end, what=what, detail=detail, kind="detected"))


def _retrain(
    runner: ProblemRunner,
    now: datetime,
    client: httpx.Client,
    travelled: Travelled,
    *,
    reason: str,
    tell: Tell,
) -> None:
    name = runner.declared.problem.name
    before = runner.workspace.ledger.champion(name)
    partition = partition_before(runner.declared, now)
    tell(f"{partition.end:%Y-%m-%d}: retraining")
    travelled.retrainings += 1
    travelled.events.append(
        DemoEvent(time=partition.end, what="retrained", detail=reason, kind="retrained")
    )
    runner.run("training", partition)
    after = runner.workspace.ledger.champion(name)
    if after is None or (before is not None and after.version == before.version):
        kept = runner.workspace.ledger.entries(name)[-1]
        travelled.events.append(
            DemoEvent(time=partition.end, what="champion kept", detail=kept.reason)
        )
        return
    _await_version(client, after.version)
    travelled.events.append(
        DemoEvent(
            time=partition.end,
            what=f"promoted {after.version}",
            detail=after.reason,
            kind="promoted",
        )
    )


def _await_version(client: httpx.Client, version: str) -> None:
    """Wait until the running server answers with a version.

    Raises:
        ServingError: If it does not within half a minute.
    """
    until = time.monotonic() + SWAP_SECONDS
    while time.monotonic() < until:
        if client.get("/release").json().get("version") == version:
            return
        time.sleep(0.1)
    message = f"The server did not take up {version} within {SWAP_SECONDS:.0f} s: read its log."
    raise ServingError(message)
