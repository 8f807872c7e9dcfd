"""Production moves the graph: new log hours become profiles, closed partitions are scored."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from ml_assets.automation.missed import missed_partitions
from ml_assets.automation.requests import range_request
from ml_assets.core.window import Window, floor, following
from ml_assets.storage import prediction_spool
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

HOUR = timedelta(hours=1)
# An hour's last requests may still be on their way to the log.
GRACE = timedelta(minutes=5)
CRONS = {"hour": "20 * * * *", "day": "45 0 * * *", "week": "45 0 * * 1", "month": "45 0 1 * *"}


def production_profile_sensor(declared: DeclaredProblem) -> dg.SensorDefinition:
    """Profile and judge production when an hour of its log is over; labels that came since count.

    A tick lists paths and compares them with its cursor; it opens no file.
    """
    problem = declared.problem

    @dg.sensor(
        name=f"{problem.name}_production_profile_sensor",
        job_name=f"{problem.name}_monitoring",
        minimum_interval_seconds=60,
        description=production_profile_sensor.__doc__,
    )
    def _production_profile_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        seen = json.loads(context.cursor or "{}").get("hour")
        last = datetime.fromisoformat(seen) if seen else None
        closed = [
            hour.hour
            for hour in prediction_spool.hours(workspace.spool, problem.name)
            if hour.hour + HOUR + GRACE <= datetime.now(tz=UTC)
            and (last is None or hour.hour > last)
        ]
        if not closed:
            return dg.SkipReason(f"No further hour of the prediction log is over since {seen}.")
        window = touched(declared, min(closed), max(closed))
        key = f"profile/{problem.name}/{max(closed):%Y-%m-%dT%H}"
        return dg.SensorResult(
            run_requests=[range_request(declared, "monitoring", window, run_key=key)],
            cursor=json.dumps({"hour": max(closed).isoformat()}),
        )

    return _production_profile_sensor


def touched(declared: DeclaredProblem, first: datetime, last: datetime) -> Window:
    """Return the partitions of some log hours, and those whose labels may have come since."""
    every = declared.problem.partitions.every
    start = floor(first - declared.problem.label.delay, every)
    earliest = floor(declared.problem.partitions.start, every)
    return Window(max(start, earliest), following(floor(last, every), every))


def scoring_schedule(declared: DeclaredProblem) -> dg.ScheduleDefinition:
    """Score each partition with the champion when it is over, and those missed before."""
    problem = declared.problem

    @dg.schedule(
        name=f"{problem.name}_scoring_schedule",
        job_name=f"{problem.name}_scoring",
        cron_schedule=CRONS[problem.partitions.every],
        description=scoring_schedule.__doc__,
    )
    def _scoring_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # After an outage both schedules tick at once: what has no features yet waits for them.
        window = missed_partitions(
            declared, context.instance, job="scoring", asset="predictions", needs="feature_table"
        )
        if window is None:
            return dg.SkipReason("No partition is over that is not being scored already.")
        key = f"score/{problem.name}/{window.end:%Y-%m-%dT%H:%M}"
        return range_request(declared, "scoring", window, run_key=key)

    return _scoring_schedule
