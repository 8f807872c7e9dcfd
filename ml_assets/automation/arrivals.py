"""Content arrives: it is landed, and then the partitions that it touches are done again."""

import hashlib
import json

import dagster as dg

from ml_assets.automation.requests import range_request
from ml_assets.core.errors import SourceError
from ml_assets.core.problem import AddressSource, FilesSource
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.landing import Stream, touched_window
from ml_assets.storage.sources.change import content_mark
from ml_assets.storage.workspace import Workspace


def can_change(stream: Stream) -> bool:
    """Say whether a stream comes in files of which there may be new ones."""
    fixed = isinstance(stream.source, AddressSource) and stream.source.sha256 is not None
    return stream.comes_in_files and not fixed


def requests_for_arrivals(
    declared: DeclaredProblem,
    stream: Stream,
    *,
    job: str,
    context: dg.SensorEvaluationContext,
    workspace: Workspace,
) -> dg.SensorResult:
    """Ask to land content that is new, and to do again what landed content touches.

    A look lists files, or asks for the headers of an address; the run reads contents. A source
    that does not answer is a reason to wait for the next look.

    Args:
        declared: The problem.
        stream: Rows or labels that come in files.
        job: What is done for the partitions that are touched.
        context: Its cursor holds what the last look saw.
        workspace: Knows the files that landed.
    """
    cursor = json.loads(context.cursor or "{}")
    name = declared.problem.name
    requests: list[dg.RunRequest] = []
    changes = workspace.files.changes(name, stream.table, after=cursor.get("record", 0))
    # A content that took another's place touches what the other held: its rows are gone from there.
    window = touched_window(declared, changes.records)
    if window is not None:
        key = f"late/{name}/{stream.table}/{changes.newest}"
        requests.append(range_request(declared, job, window, run_key=key))
    seen, silent = cursor.get("seen"), None
    try:
        seen = _mark(stream, cursor.get("seen"))
    except SourceError as error:
        silent = str(error)
    if seen != cursor.get("seen"):
        mark = hashlib.sha256(str(seen).encode()).hexdigest()[:24]
        key = f"land/{name}/{stream.table}/{mark}"
        requests.append(dg.RunRequest(run_key=key, job_name=f"{name}_landing"))
    moved = json.dumps({"seen": seen, "record": changes.newest})
    if requests:
        return dg.SensorResult(run_requests=requests, cursor=moved)
    quiet = "No content is new, and none that was read waits for its partitions."
    return dg.SensorResult(skip_reason=silent or quiet, cursor=moved)


def _mark(stream: Stream, seen: str | None) -> str:
    if not isinstance(stream.source, FilesSource | AddressSource):
        message = f"{stream.table} does not come in files: there is nothing to look at."
        raise SourceError(message)
    return content_mark(stream.source, seen)
