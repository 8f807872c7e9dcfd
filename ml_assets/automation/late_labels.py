"""Ground truth comes after the rows: labels that arrived, or are due, are taken in."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_assets.automation.arrivals import can_change, requests_for_arrivals
from ml_assets.automation.requests import closed_partitions, range_request
from ml_assets.core.window import Window, cut
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.label_tables import labels_stream
from ml_assets.storage.landing import rows_stream
from ml_assets.storage.workspace import Workspace


def labels_come_late(declared: DeclaredProblem) -> bool:
    """Say whether labels can come after their rows: not if both stand in the same file."""
    stream = labels_stream(declared) or rows_stream(declared)
    if stream.comes_in_files:
        return labels_stream(declared) is not None and can_change(stream)
    return True


def late_labels_sensor(declared: DeclaredProblem, *, jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Do those partitions again whose labels have arrived, or are due by now.

    Labels in files are seen when a file is new. A source that is asked for windows is asked again
    once the label delay of a partition is over.
    """
    problem = declared.problem
    stream = labels_stream(declared)

    @dg.sensor(
        name=f"{problem.name}_late_labels_sensor",
        jobs=jobs,
        minimum_interval_seconds=60,
        description=late_labels_sensor.__doc__,
    )
    def _late_labels_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        if stream is not None and stream.comes_in_files:
            return requests_for_arrivals(
                declared, stream, job="labels", context=context, workspace=workspace
            )
        seen = json.loads(context.cursor or "{}").get("due")
        window = due_since(
            declared, datetime.fromisoformat(seen) if seen else None, now=datetime.now(tz=UTC)
        )
        if window is None:
            return dg.SkipReason(f"No further partition's labels are due since {seen}.")
        key = f"labels/{problem.name}/{window.start.isoformat()}/{window.end.isoformat()}"
        request = range_request(declared, "labels" if stream else "data", window, run_key=key)
        cursor = json.dumps({"due": window.end.isoformat()})
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return _late_labels_sensor


def due_since(declared: DeclaredProblem, seen: datetime | None, *, now: datetime) -> Window | None:
    """Return the partitions whose labels became due since the last look.

    Args:
        declared: The problem.
        seen: End of the last partition that was found due; the first look takes the newest one,
            since history is filled by a backfill.
        now: The moment of the look.
    """
    closed = closed_partitions(declared)
    if closed is None:
        return None
    every, delay = declared.problem.partitions.every, declared.problem.label.delay
    left = closed if seen is None else Window(seen, max(seen, closed.end))
    due = [part for part in cut(left, every) if part.end + delay <= now]
    if seen is None:
        del due[:-1]
    return Window(due[0].start, due[-1].end) if due else None
