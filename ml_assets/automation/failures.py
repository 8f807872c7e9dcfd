"""Someone is told when a run fails."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.notifier import notifier_for


def failure_sensor(declared: DeclaredProblem, jobs: list[object]) -> dg.SensorDefinition:
    """Tell someone of each failed run: the log always, a webhook where one is declared."""
    problem = declared.problem

    @dg.run_failure_sensor(
        name=f"{problem.name}_failure_sensor",
        monitored_jobs=jobs,
        description=failure_sensor.__doc__,
    )
    def _failure_sensor(context: dg.RunFailureSensorContext) -> None:
        failed = [event.step_key or "" for event in context.get_step_failure_events()]
        notifier_for(problem.alerts).notify(
            failure_alert(
                problem.name, context.dagster_run.run_id, context.dagster_run.job_name, failed
            )
        )

    return _failure_sensor
