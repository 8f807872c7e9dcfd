"""Someone is told when a run fails."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.notifier import Alert, notifier_for


def failure_sensor(declared: DeclaredProblem, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Tell someone of each failed run: the log always, a webhook where one is declared."""
    problem = declared.problem

    @dg.run_failure_sensor(
        name=f"{problem.name}_failure_sensor",
        monitored_jobs=jobs,
        description=failure_sensor.__doc__,
    )
    def _failure_sensor(context: dg.RunFailureSensorContext) -> None:
        failed = [event.step_key or "" for event in context.get_step_failure_events()]
        run = context.dagster_run
        notifier_for(problem.alerts).notify(
            Alert(
                problem.name,
                f"{problem.name}: {run.job_name} failed",
                f"Steps {', '.join(filter(None, failed)) or 'none'} failed in run {run.run_id}. "
                f"{context.failure_event.message or ''} Next: open the run in the Dagster UI.",
                "failure",
                datetime.now(tz=UTC),
                facts={"run_id": run.run_id},
            )
        )

    return _failure_sensor
