"""Housekeeping: once a day, what nobody can ask for any more is deleted."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.automation.jobs import table_names
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.tidying import tidy
from ml_assets.storage.workspace import Workspace

TIDYING = "tidying"
# After the jobs of midnight.
CRON = "30 2 * * *"


def tidying_job(declared: DeclaredProblem) -> dg.JobDefinition:
    """Old versions of tables that no model needs are deleted; small files are merged."""
    problem = declared.problem

    @dg.op(name=f"{problem.name}_tidied", description=tidying_job.__doc__)
    def _tidied(context: dg.OpExecutionContext, workspace: dg.ResourceParam[Workspace]) -> None:
        found = tidy(workspace, declared, known=table_names(declared), now=datetime.now(tz=UTC))
        told = {table: str(deleted) for table, deleted in found.tables.items() if deleted.files}
        told["drafts"] = str(found.drafts)
        context.log.info("Deleted: %s", told)
        context.add_output_metadata(told)

    @dg.job(
        name=f"{problem.name}_{TIDYING}",
        description=tidying_job.__doc__,
        tags={"ml_assets/problem": problem.name, "ml_assets/job": TIDYING},
        executor_def=dg.in_process_executor,
    )
    def _tidying() -> None:
        _tidied()

    return _tidying


def tidying_schedule(declared: DeclaredProblem, *, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Tidy once a day."""
    return dg.ScheduleDefinition(
        name=f"{declared.problem.name}_{TIDYING}_schedule",
        job=job,
        cron_schedule=CRON,
        description=tidying_schedule.__doc__,
    )
