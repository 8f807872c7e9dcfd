"""Data comes in: on time, late, or restated."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from glob import glob
from pathlib import Path
from typing import Any

import dagster as dg

from ml_assets.automation.requests import closed_partitions, range_request
from ml_assets.core.problem import FilesSource
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.files import FileRecord
from ml_assets.storage.landing import touched_window
from ml_assets.storage.workspace import Workspace

CRONS = {"hour": "5 * * * *", "day": "15 0 * * *", "week": "15 0 * * 1", "month": "15 0 1 * *"}


def ingestion_schedule(declared: DeclaredProblem) -> dg.ScheduleDefinition:
    """Materialise each partition when it is over, and those again whose labels have come since."""
    problem = declared.problem
    length = problem.partitions.typical_length
    again = -(-problem.label.delay // length)

    @dg.schedule(
        name=f"{problem.name}_ingestion_schedule",
        job_name=f"{problem.name}_data",
        cron_schedule=CRONS[problem.partitions.every],
        description=ingestion_schedule.__doc__,
    )
    def _ingestion_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        window = closed_partitions(declared, last=1 + again)
        if window is None:
            return dg.SkipReason("No partition is over yet.")
        key = f"ingest/{problem.name}/{window.end:%Y-%m-%dT%H:%M}"
        return range_request(declared, "data", window, run_key=key)

    return _ingestion_schedule


def new_files_sensor(
    declared: DeclaredProblem, source: FilesSource, *, jobs: Sequence[Any]
) -> dg.SensorDefinition:
    """Read new, late and restated files, and do again only the partitions that they touch.

    A tick lists names, sizes and times of change. Only when these differ from the last tick does
    it ask for a run, and the run reads contents.
    """
    problem = declared.problem

    @dg.sensor(
        name=f"{problem.name}_new_files_sensor",
        jobs=jobs,
        minimum_interval_seconds=30,
        description=new_files_sensor.__doc__,
    )
    def _new_files_sensor(
        context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.SensorResult | dg.SkipReason:
        cursor = json.loads(context.cursor or "{}")
        seen = fingerprint(source)
        landed = list(_landed_since(workspace, declared, cursor.get("landed")))
        requests = []
        if seen != cursor.get("seen"):
            requests.append(
                dg.RunRequest(
                    run_key=f"land/{problem.name}/{seen}", job_name=f"{problem.name}_landing"
                )
            )
        newest = max((at for at, _ in landed), default=None)
        records = [record for _, record in landed]
        window = touched_window(declared, records)
        if window is not None and newest is not None:
            key = f"late/{problem.name}/{newest.isoformat()}"
            requests.append(range_request(declared, "data", window, run_key=key))
        if not requests:
            return dg.SkipReason("No file is new, and none that was read waits for its partitions.")
        moved = {"seen": seen, "landed": newest.isoformat() if newest else cursor.get("landed")}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(moved))

    return _new_files_sensor


def fingerprint(source: FilesSource) -> str:
    """Return what changes when a file comes, goes or is written to; contents are not read."""
    paths = glob(source.path, root_dir=Path.cwd(), recursive=True)  # noqa: PTH207  it may be absolute
    total = hashlib.sha256()
    for path in sorted(paths):
        status = Path(path).stat()
        total.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return total.hexdigest()[:24]


def _landed_since(
    workspace: Workspace, declared: DeclaredProblem, since: str | None
) -> Iterator[tuple[datetime, FileRecord]]:
    after = datetime.fromisoformat(since) if since else None
    for record in workspace.files.known(declared.problem.name, "raw_data").values():
        if record.status == "landed" and (after is None or record.at > after):
            yield record.at, record
