"""Data comes in: on time, late, or restated."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ml_assets.automation.arrivals import requests_for_arrivals
from ml_assets.automation.missed import missed_partitions
from ml_assets.automation.requests import range_request
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.landing import rows_stream
from ml_assets.storage.workspace import Workspace

CRONS = {"hour": "5 * * * *", "day": "15 0 * * *", "week": "15 0 * * 1", "month": "15 0 1 * *"}


def ingestion_schedule(declared: DeclaredProblem) -> dg.ScheduleDefinition:
    """Materialise each partition when it is over, and with it those that were missed before."""
    problem = declared.problem

    @dg.schedule(
        name=f"{problem.name}_ingestion_schedule",
        job_name=f"{problem.name}_data",
        cron_schedule=CRONS[problem.partitions.every],
        description=ingestion_schedule.__doc__,
    )
    def _ingestion_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # Raw data says that a partition was taken in. What a check blocked after that has been
        # told to people, and must not hold up all partitions to come.
        window = missed_partitions(declared, context.instance, job="data", asset="raw_data")
        if window is None:
            return dg.SkipReason("No partition is over that is not being made already.")
        key = f"ingest/{problem.name}/{window.end:%Y-%m-%dT%H:%M}"
        return range_request(declared, "data", window, run_key=key)

    return _ingestion_schedule


def new_content_sensor(declared: DeclaredProblem, *, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Read new, late and restated content, and do again only the partitions that it touches.

    A look lists names, sizes and times of change, or asks an address for its ETag. Only when these
    differ from the last look does it ask for a run, and the run reads contents.
    """
    problem = declared.problem
    stream = rows_stream(declared)

    @dg.sensor(
        name=f"{problem.name}_new_content_sensor",
        jobs=jobs,
        minimum_interval_seconds=30,
        description=new_content_sensor.__doc__,
    )
    def _new_content_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        return requests_for_arrivals(
            declared, stream, job="data", context=context, workspace=workspace
        )

    return _new_content_sensor
