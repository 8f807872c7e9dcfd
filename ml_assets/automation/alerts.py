"""Alerts between runs: failed runs are told, and what waits is sent."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from ml_assets.assets.stage import plain_utc, window_of_run
from ml_assets.automation.tidying import TIDYING
from ml_assets.core.alert import Signal
from ml_assets.core.alert_signals import failure_signal
from ml_assets.storage.alerting import FAILED, deliver, failed_key, raise_alerts
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

LINES = 3


def failure_sensor(declared: DeclaredProblem, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Tell people of a job that fails: once, however often it fails in a row."""
    problem = declared.problem

    @dg.run_failure_sensor(
        name=f"{problem.name}_failure_sensor",
        monitored_jobs=jobs,
        description=failure_sensor.__doc__,
    )
    def _failure_sensor(
        context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]
    ) -> None:
        run = context.dagster_run
        now = datetime.now(tz=UTC)
        job = run.job_name.removeprefix(f"{problem.name}_")
        signal = failure_signal(
            problem.name,
            job=run.job_name,
            key=failed_key(workspace.alerts, problem.name, run.job_name, run.run_id),
            what=_said(context),
            at=now,
            again=_again(declared, job, run.tags),
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
            if _succeeded_since(context.instance, signal)
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


def _succeeded_since(instance: dg.DagsterInstance, signal: Signal) -> bool:
    asked = dg.RunsFilter(
        job_name=signal.key.split("/")[1],
        statuses=[dg.DagsterRunStatus.SUCCESS],
        updated_after=signal.since,
    )
    return bool(instance.get_run_records(asked, limit=1))


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


def _again(declared: DeclaredProblem, job: str, tags: Mapping[str, str]) -> str:
    if job == TIDYING:
        return f"ml-assets tidy {declared.problem.name}"
    window = window_of_run(declared.problem, tags)
    start, end = (f"{plain_utc(moment):%Y-%m-%dT%H:%M:%S}" for moment in (window.start, window.end))
    if window.end - window.start >= timedelta(days=1):
        start, end = (text.removesuffix("T00:00:00") for text in (start, end))
    return f"ml-assets materialize {declared.problem.name} --job {job} --start {start} --end {end}"
