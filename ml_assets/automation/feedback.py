"""Truths come in, sent or asked for: they are read, and their partitions are made again."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ml_assets.assets.stage import partitions_of, plain_utc
from ml_assets.automation.requests import range_request
from ml_assets.core.feedback import FEEDBACK
from ml_assets.core.window import Window, floor, following
from ml_assets.storage import feedback_spool
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.feedback import event_times_since
from ml_assets.storage.workspace import Workspace


def feedback_sensor(declared: DeclaredProblem, *, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Read feedback when there is more of it, and bring the labels it is about up to date.

    A tick lists names and sizes, and opens the table only when it has a new version.
    """
    problem = declared.problem

    @dg.sensor(
        name=f"{problem.name}_feedback_sensor",
        jobs=jobs,
        minimum_interval_seconds=60,
        description=feedback_sensor.__doc__,
    )
    def _feedback_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        cursor = json.loads(context.cursor or "{}")
        segments = feedback_spool.segments(workspace.spool, problem.name)
        size = sum(path.stat().st_size for path in segments)
        version = workspace.lake.version(table_name(declared, FEEDBACK))
        answer = workspace.label_queue.newest_answer(problem.name)
        requests = []
        if answer is not None:
            key = f"answers/{problem.name}/{answer.isoformat()}"
            requests.append(dg.RunRequest(run_key=key, job_name=f"{problem.name}_feedback"))
        if size != cursor.get("size", 0):
            key = f"feedback/{problem.name}/{_newest(segments)}/{size}"
            requests.append(dg.RunRequest(run_key=key, job_name=f"{problem.name}_feedback"))
        if version is not None and version != cursor.get("version"):
            window = touched(
                declared, event_times_since(workspace.lake, declared, cursor.get("version"))
            )
            if window is not None:
                key = f"truth/{problem.name}/{version}"
                requests.append(range_request(declared, "truth", window, run_key=key))
        moved = json.dumps({"size": size, "version": version})
        if not requests and moved == context.cursor:
            return dg.SkipReason("No truth came since.")
        return dg.SensorResult(run_requests=requests, cursor=moved)

    return _feedback_sensor


def touched(declared: DeclaredProblem, events: tuple[datetime, datetime] | None) -> Window | None:
    """Return the existing partitions from the first to the last of some events."""
    keys = partitions_of(declared.problem)
    first, last = keys.get_first_partition_window(), keys.get_last_partition_window()
    if events is None or first is None or last is None:
        return None
    every = declared.problem.partitions.every
    start = max(floor(events[0], every), plain_utc(first.start))
    end = min(following(floor(events[1], every), every), plain_utc(last.end))
    return Window(start, end) if start < end else None


def _newest(segments: list[Path]) -> str:
    return segments[-1].name if segments else "none"
