"""The rows that feedback is about: in the prediction log of the lake, or in the spool alone."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from ml_assets.core.feature_query import quoted
from ml_assets.core.feedback import FEEDBACK
from ml_assets.storage import prediction_spool
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.prediction_logs import key_of_inputs
from ml_assets.storage.workspace import Workspace

# Segments of the spool by name, with their sizes and times of change. A segment that grew, or was
# copied here late, differs.
Marks = dict[str, list[int]]
FIRST_STRETCH = 8
ASKED = 'SEMI JOIN open_feedback USING (request_id, "row")'
NEWEST = 'QUALIFY row_number() OVER (PARTITION BY request_id, "row" ORDER BY "at" DESC) = 1'


def find_rows(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    kinds: dict[str, str],
) -> Marks:
    """Create the table ``answered`` of the rows that the table ``open_feedback`` is about.

    A truth that was looked for before (``_seen``) is looked for only in segments that are new or
    have grown since: an old truth about nothing does not cost a reading of the whole spool. A new
    truth is looked for in all of them, the newest first, until it is found.

    Args:
        connection: Holds ``open_feedback``; computes.
        workspace: Lake, spool and what was looked through before.
        declared: The problem.
        kinds: SQL type of each key.

    Returns:
        The segments in which every truth that is still open was looked for. Remember them once the
        truths are kept, and not before.
    """
    _in_lake(connection, workspace, declared, kinds)
    before = _remembered(workspace, declared)
    if not _left(connection):
        return before
    marks = _marks(workspace, declared)
    fresh = [name for name, mark in marks.items() if before.get(name) != mark]
    _in_spool(connection, workspace, declared, fresh)
    for names in _stretches([name for name in marks if before.get(name) == marks[name]]):
        if not _left(connection, where="NOT _seen"):
            break
        _in_spool(connection, workspace, declared, names)
    return marks


def remember(workspace: Workspace, declared: DeclaredProblem, marks: Marks) -> None:
    """Remember in which segments all truths that are kept and still open were looked for."""
    if marks != _remembered(workspace, declared):
        write_atomically(_memory(workspace, declared), json.dumps(marks).encode())


def _in_lake(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    kinds: dict[str, str],
) -> None:
    keys = "".join(f"{quoted(key)}, " for key in kinds)
    moments = {"request_id": "VARCHAR", "row": "BIGINT", "at": "TIMESTAMPTZ"}
    empty = {"_date": "DATE", **kinds, "event_time": "TIMESTAMPTZ", **moments}
    log = table_name(declared, "prediction_log")
    workspace.lake.register(connection, log, name="log", columns=empty)
    connection.execute(
        f'CREATE OR REPLACE TEMP TABLE answered AS SELECT request_id, "row", {keys}event_time '
        f"FROM log {ASKED} {NEWEST}"
    )


def _in_spool(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    names: Sequence[str],
) -> None:
    """Add what some segments hold: the newest hours are in the spool alone."""
    problem = declared.problem
    folder = workspace.spool / problem.name
    prediction_spool.read(connection, [folder / name for name in names], "spooled")
    keys = "".join(f"{key_of_inputs(declared, key)} AS {quoted(key)}, " for key in problem.keys)
    connection.execute(
        f'INSERT INTO answered SELECT request_id, "row", {keys}event_time FROM spooled {ASKED} '
        f'ANTI JOIN answered AS a USING (request_id, "row") {NEWEST}'
    )


def _left(connection: duckdb.DuckDBPyConnection, *, where: str = "true") -> int:
    """Return how many truths have no row yet."""
    return connection.execute(
        'SELECT count(*) FROM open_feedback ANTI JOIN answered USING (request_id, "row") '
        f"WHERE {where}"
    ).fetchall()[0][0]


def _stretches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield some names, then twice as many, and so on."""
    start, count = 0, FIRST_STRETCH
    while start < len(names):
        yield names[start : start + count]
        start, count = start + count, 2 * count


def _marks(workspace: Workspace, declared: DeclaredProblem) -> Marks:
    """Return all segments as they are now, newest hour first.

    Asked before they are read: what is appended meanwhile makes them differ the next time.
    """
    folder = workspace.spool / declared.problem.name
    hours = prediction_spool.hours(workspace.spool, declared.problem.name)
    found: Marks = {}
    for path in (path for hour in reversed(hours) for path in hour.files):
        status = path.stat()
        found[path.relative_to(folder).as_posix()] = [status.st_size, status.st_mtime_ns]
    return found


def _remembered(workspace: Workspace, declared: DeclaredProblem) -> Marks:
    path = _memory(workspace, declared)
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _memory(workspace: Workspace, declared: DeclaredProblem) -> Path:
    return workspace.home / "looked_through" / declared.problem.name / f"{FEEDBACK}.json"
