"""When a problem retrains: at set times, or when production has drifted."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb

from ml_assets.assets.stage import plain_utc
from ml_assets.automation.requests import closed_partitions, range_request
from ml_assets.core.alert_signals import pause_signal
from ml_assets.core.episodes import Episode
from ml_assets.core.loss_reading import LossReading
from ml_assets.core.policy import RetrainingDecision, decide_retraining
from ml_assets.core.window import Window, cut, floor
from ml_assets.storage.acceptance import accepted_until
from ml_assets.storage.alerting import raise_alerts
from ml_assets.storage.champion_readings import champion_readings
from ml_assets.storage.change_reports import as_named
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.retrainings import (
    learnable_rows,
    past_trainings,
    record_decision,
    unstarted,
)
from ml_assets.storage.workspace import Workspace

RUN_KEY = "dagster/run_key"
LOST_AFTER = timedelta(minutes=5)  # Dagster may just be starting it
LONGEST_PAUSE = timedelta(days=400)


def retraining_schedule(declared: DeclaredProblem) -> dg.ScheduleDefinition:
    """Train a new cutoff at the declared times, drift or not."""
    problem = declared.problem

    @dg.schedule(
        name=f"{problem.name}_retraining_schedule",
        job_name=f"{problem.name}_training",
        cron_schedule=problem.retraining.cron or "0 4 * * *",
        description=retraining_schedule.__doc__,
    )
    def _retraining_schedule(
        context: dg.ScheduleEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.RunRequest | dg.SkipReason:
        lost = lost_request(context.instance, workspace, declared)
        if lost is not None:
            return lost
        newest = closed_partitions(declared, last=1)
        if newest is None:
            return dg.SkipReason("No partition is over yet.")
        tick = plain_utc(context.scheduled_execution_time)
        decision = decide_now(workspace, declared, now=newest.end, tick=tick)
        if not decision.retrain or decision.run_key is None:
            return dg.SkipReason(decision.reason)
        return range_request(declared, "training", newest, run_key=decision.run_key)

    return _retraining_schedule


def drift_sensor(declared: DeclaredProblem) -> dg.SensorDefinition:
    """Retrain when production has drifted, within cool-down and budget; say why not otherwise.

    Every decision is recorded with its reason, also the one to do nothing. A tick reads one small
    table.
    """
    problem = declared.problem

    @dg.sensor(
        name=f"{problem.name}_drift_sensor",
        job_name=f"{problem.name}_training",
        minimum_interval_seconds=60,
        description=drift_sensor.__doc__,
    )
    def _drift_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        lost = lost_request(context.instance, workspace, declared)
        if lost is not None:
            return dg.SensorResult(run_requests=[lost], cursor=context.cursor)
        now = newest_window_end(workspace, declared)
        seen = json.loads(context.cursor or "{}").get("now")
        if now is None or now.isoformat() == seen:
            return dg.SkipReason("No new window was judged.")
        decision = decide_now(workspace, declared, now=now)
        cursor = json.dumps({"now": now.isoformat()})
        if not decision.retrain or decision.run_key is None:
            return dg.SensorResult(skip_reason=decision.reason, cursor=cursor)
        request = range_request(
            declared, "training", partition_before(declared, now), run_key=decision.run_key
        )
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return _drift_sensor


def lost_request(
    instance: dg.DagsterInstance, workspace: Workspace, declared: DeclaredProblem
) -> dg.RunRequest | None:
    """Return the request for the newest retraining if nothing became of it; None if all is well.

    The decision is a row before Dagster hears of it. Where the answer was lost, as when a process
    was killed, it would count for cool-down and budget and never train.
    """
    decided = unstarted(workspace, declared.problem.name)
    if decided is None or datetime.now(tz=UTC) - decided.at < LOST_AFTER:
        return None
    asked = dg.RunsFilter(tags={RUN_KEY: decided.run_key})
    if instance.get_runs_count(asked):
        return None
    window = partition_before(declared, decided.cutoff)
    return range_request(declared, "training", window, run_key=decided.run_key)


def decide_now(
    workspace: Workspace,
    declared: DeclaredProblem,
    *,
    now: datetime,
    tick: datetime | None = None,
) -> RetrainingDecision:
    """Decide whether to retrain, and record the decision with its reason.

    Args:
        workspace: Holds verdicts and earlier decisions.
        declared: The problem.
        now: End of the newest observed window, or partition.
        tick: Moment of the regular schedule that is due, if it is that which asks.
    """
    problem = declared.problem
    champion = workspace.ledger.champion(problem.name)
    version = champion.version if champion else ""
    seen = episodes(workspace, declared, version)
    episode = as_named(workspace, declared, seen[-1], until=now) if seen else None
    evidence = _evidence(workspace, declared, version, now=now, episode=episode)
    decision = decide_retraining(
        problem.retraining,
        problem=problem.name,
        champion=version,
        now=now,
        trainings=past_trainings(workspace, problem.name),
        episode=episode,
        readings=evidence.readings,
        tick=tick,
        next_tick=next_regular(declared, now),
        gates=problem.gates,
        learnable=evidence.learnable,
        accepted=accepted_until(workspace, problem.name),
    )
    record_decision(
        workspace,
        problem.name,
        decision,
        now=now,
        cutoff=partition_before(declared, now).end,
        columns=episode.columns if episode else (),
    )
    _tell(workspace, declared, decision, now)
    return decision


@dataclass(frozen=True)
class _Evidence:
    """What is known of the champion's loss, and of rows to learn from."""

    readings: list[LossReading]
    learnable: int | None


def _evidence(
    workspace: Workspace,
    declared: DeclaredProblem,
    champion: str,
    *,
    now: datetime,
    episode: Episode | None,
) -> _Evidence:
    """Read labels only where they can matter: there is drift, or a loss that is listened to."""
    is_open = episode is not None and episode.is_open
    heard = set(declared.problem.retraining.triggers) - {"drift"}
    if not champion or not (is_open or heard):
        return _Evidence([], None)
    opened = episode.opened if episode is not None and is_open else None
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        readings = champion_readings(
            connection, workspace, declared, champion, now=now, opened=opened
        )
        learnable = (
            None
            if opened is None
            else learnable_rows(connection, workspace, declared, change=opened, now=now)
        )
    return _Evidence(readings, learnable)


def next_regular(declared: DeclaredProblem, now: datetime) -> datetime | None:
    """Return when the next regular retraining is due; None if there are none."""
    cron = declared.problem.retraining.cron
    if cron is None:
        return None
    ticks = dg.TimeWindowPartitionsDefinition(
        start=now - LONGEST_PAUSE, fmt="%Y-%m-%dT%H:%M", cron_schedule=cron, timezone="UTC"
    )
    window = ticks.get_next_partition_window(now)
    return None if window is None else plain_utc(window.start)


def _tell(
    workspace: Workspace, declared: DeclaredProblem, decision: RetrainingDecision, now: datetime
) -> None:
    """Tell people of a pause that failed retrainings have earned."""
    until = decision.paused_until
    if until is not None:
        signal = pause_signal(declared.problem.name, until=until, what=decision.reason, at=now)
        raise_alerts(workspace, declared, [signal], now=datetime.now(tz=UTC))


def partition_before(declared: DeclaredProblem, moment: datetime) -> Window:
    """Return the newest partition that is over at a moment: its end is the cutoff."""
    every = declared.problem.partitions.every
    start = declared.problem.partitions.start
    return list(cut(Window(floor(start, every), floor(moment, every)), every))[-1]
