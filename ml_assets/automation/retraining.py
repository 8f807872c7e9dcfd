"""When a problem retrains: at set times, or when production has drifted."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_assets.assets.stage import plain_utc
from ml_assets.automation.requests import closed_partitions, range_request
from ml_assets.core.episodes import Episode
from ml_assets.core.policy import RetrainingDecision, Training, decide_retraining
from ml_assets.core.window import Window, cut, floor
from ml_assets.storage.change_reports import change_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.workspace import Workspace

KIND = "retraining"


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
    seen = [
        _as_named(workspace, declared, episode, now)
        for episode in episodes(workspace, declared, version)[-1:]
    ]
    decision = decide_retraining(
        problem.retraining,
        problem=problem.name,
        champion=version,
        now=now,
        trainings=_trainings(workspace, problem.name),
        episode=seen[-1] if seen else None,
        tick=tick,
    )
    workspace.decisions.record(
        problem.name,
        KIND,
        "retrain" if decision.retrain else "keep",
        decision.reason,
        episode=decision.episode,
        details=_details(now, seen[-1] if seen else None),
        at=datetime.now(tz=UTC),
    )
    return decision


def _as_named(
    workspace: Workspace, declared: DeclaredProblem, episode: Episode, now: datetime
) -> Episode:
    """Return an episode with the severity of a data fault, if the change was named one.

    The drift rule sees one column at a time: a new unit or rows out of order look like drift to it.
    """
    report = change_of(workspace, declared, episode.id, until=now)
    if report is None or not report.is_data_fault:
        return episode
    columns = {name for fault in report.faults for name in fault.columns}
    return replace(episode, severity="data_fault", columns=tuple(sorted(columns)))


def partition_before(declared: DeclaredProblem, moment: datetime) -> Window:
    """Return the newest partition that is over at a moment: its end is the cutoff."""
    every = declared.problem.partitions.every
    start = declared.problem.partitions.start
    return list(cut(Window(floor(start, every), floor(moment, every)), every))[-1]


def _trainings(workspace: Workspace, problem: str) -> list[Training]:
    return [
        Training(datetime.fromisoformat(one.details["now"]), one.episode)
        for one in workspace.decisions.recent(problem, KIND, limit=1000)
        if one.outcome == "retrain"
    ]


def _details(now: datetime, episode: Episode | None) -> dict[str, Any]:
    columns = list(episode.columns) if episode else []
    return {"now": now.isoformat(), "columns": columns}
