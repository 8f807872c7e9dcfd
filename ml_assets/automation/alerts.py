"""Alerts between runs: failed runs are told, and what waits is sent."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from ml_assets.assets.stage import RANGE_END, RANGE_START, asked_keys, plain_utc, window_of_run
from ml_assets.automation.failures import EndedRun, left_over
from ml_assets.automation.tidying import TIDYING
from ml_assets.core.alert import Signal
from ml_assets.core.alert_signals import failure_signal
from ml_assets.core.causes import FAILED
from ml_assets.storage.alerting import deliver, failed_key, raise_alerts
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

LINES = 3


def failure_sensor(declared: DeclaredProblem, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Tell people of a job that fails: once, however often it fails in a row."""
    problem = declared.problem

    @dg.run_failure_sensor(
        name=f"{problem.name}_failure_sensor",
        monitored_jobs=jobs,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=failure_sensor.__doc__,
    )
    def _failure_sensor(
        context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]
    ) -> None:
        run = context.dagster_run
        now = datetime.now(tz=UTC)
        key = failed_key(workspace.alerts, problem.name, run.job_name, run.run_id)
        # This run too, should a later one have made it good already.
        failed = [EndedRun(now, asked_keys(run.tags)), *_left_over(context.instance, key, now)]
        signal = failure_signal(
            problem.name,
            job=run.job_name,
            key=key,
            what=_said(context),
            at=now,
            again=_again(declared, run.job_name, failed),
        )
        raise_alerts(workspace, declared, [signal], now=now)
        deliver(workspace, problem.name, problem.alerts)

    return _failure_sensor


def alert_sensor(declared: DeclaredProblem) -> dg.SensorDefinition:
    """Send what has not reached people yet; close the alert of a job that succeeds again."""
    problem = declared.problem

    @dg.sensor(
        name=f"{problem.name}_alert_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=alert_sensor.__doc__,
    )
    def _alert_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SkipReason:
        now = datetime.now(tz=UTC)
        mended = [
            signal.ended(now, "the job succeeded")
            for signal in _failing(workspace, problem.name)
            if not _left_over(context.instance, signal.key, signal.since)
        ]
        raise_alerts(workspace, declared, mended, now=now)
        sent = deliver(workspace, problem.name, problem.alerts)
        faults = "".join(f" {channel}: {fault}" for channel, fault in sent.faults.items())
        return dg.SkipReason(f"{sent.delivered} messages were sent.{faults}")

    return _alert_sensor


def _failing(workspace: Workspace, problem: str) -> list[Signal]:
    return [
        signal
        for stored in workspace.alerts.open(problem)
        for signal in stored.alert.signals
        if signal.kind == FAILED and signal.until is None
    ]


def _left_over(instance: dg.DagsterInstance, key: str, since: datetime) -> list[EndedRun]:
    """Return the failed runs that a signal's key stands for and that no success has made good."""
    _, job, first = key.split("/")
    # Of two trainings the later cutoff is asked for anyway; of two days of data both are.
    trains = job.endswith("_training")
    return left_over(instance, job, first=first, since=since, newest_counts=trains)


def _said(context: dg.RunFailureSensorContext) -> str:
    """Return which steps failed, and the first lines of what they said."""
    run = context.dagster_run
    said = []
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        cause = error.cause if error and error.cause else error
        text = " ".join(cause.message.split()) if cause else "no error was recorded"
        said.append(f"{event.step_key}: {text[:400]}")
    if not said:
        said = [context.failure_event.message or "no step failed"]
    return f"Run {run.run_id[:8]} of {run.job_name} failed. {' '.join(said[:LINES])}"


def _again(declared: DeclaredProblem, job: str, failed: Sequence[EndedRun]) -> str:
    """Return the command whose one run makes all of some failed runs of a job good."""
    name = declared.problem.name
    if job == TIDYING:
        return f"ml-assets tidy {name}"
    asked = [run.asked for run in failed if run.asked is not None]
    starts, ends = [first for first, _ in asked], [last for _, last in asked]
    tags = {RANGE_START: min(starts), RANGE_END: max(ends)} if asked else {}
    window = window_of_run(declared.problem, tags)
    start, end = (f"{plain_utc(moment):%Y-%m-%dT%H:%M:%S}" for moment in (window.start, window.end))
    if window.end - window.start >= timedelta(days=1):
        start, end = (text.removesuffix("T00:00:00") for text in (start, end))
    short = job.removeprefix(f"{name}_")
    return f"ml-assets materialize {name} --job {short} --start {start} --end {end}"
