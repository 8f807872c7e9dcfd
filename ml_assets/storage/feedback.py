"""Feedback in the lake: every truth that callers sent or people gave, and when it was known.

The table is only added to. What a later truth corrects stays, so that a training set of any cutoff
holds what was known then.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.feedback import FEEDBACK
from ml_assets.core.window import Window
from ml_assets.storage import feedback_spool
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.exclusive import alone
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.feedback_rows import find_rows, remember
from ml_assets.storage.label_queue import LabelRequest
from ml_assets.storage.lake import Lake
from ml_assets.storage.workspace import Workspace

# What names one truth that was sent.
IDENTITY = ("request_id", '"row"', "received_at", "truth")
MOMENT = pa.timestamp("us", tz="UTC")
ANSWERS = pa.schema(
    {
        "request_id": pa.string(),
        "row": pa.int64(),
        "truth": pa.string(),
        "at": MOMENT,
        "received_at": MOMENT,
        "by": pa.string(),
    }
)


@dataclass(frozen=True)
class Taken:
    """What one reading of the spool brought.

    Attributes:
        rows: Truths that were added to the table.
        version: Version of the table; None if there is none yet.
        unknown: Truths in the whole table whose request is in no prediction log.
        total: Truths in the whole table.
    """

    rows: int
    version: int | None
    unknown: int
    total: int


def columns_of(declared: DeclaredProblem) -> dict[str, str]:
    """Return the columns of the table with their SQL types.

    The keys and the event time are those of the answered row; they are missing where the request
    is in no prediction log.
    """
    contract = declared.contract.contract
    keys = {key: contract.column(key).sql_type for key in declared.problem.keys}
    return {"_date": "DATE", **feedback_spool.FIELDS, **keys, "event_time": "TIMESTAMPTZ"}


def take_feedback(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, declared: DeclaredProblem
) -> Taken:
    """Add what the spool and the labelling queue hold, and the table does not, to the table.

    A truth about a request that no log holds is kept, and looked up in what is logged later: the
    log of another machine may come. Once it is found the truth is added again, with its row.
    """
    problem = declared.problem
    name, columns = table_name(declared, FEEDBACK), columns_of(declared)
    with alone(workspace.home / "locks" / problem.name / FEEDBACK):
        workspace.lake.register(connection, name, name="known_feedback", columns=columns)
        files = feedback_spool.segments(workspace.spool, problem.name)
        feedback_spool.read(connection, files, "sent_feedback")
        answers = workspace.label_queue.take(problem.name, at=datetime.now(tz=UTC))
        connection.register("queue_answers", _of_queue(answers))
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE spooled_feedback AS "
            "FROM sent_feedback UNION BY NAME FROM queue_answers"
        )
        connection.unregister("queue_answers")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE open_feedback AS SELECT s.*, "
            f"EXISTS (FROM known_feedback AS k WHERE {_same('s', 'k')}) AS _seen "
            "FROM spooled_feedback AS s WHERE NOT EXISTS (FROM known_feedback AS k "
            f"WHERE {_same('s', 'k')} AND k.event_time IS NOT NULL)"
        )
        kinds = {key: columns[key] for key in problem.keys}
        looked = find_rows(connection, workspace, declared, kinds)
        chosen = ", ".join(f"o.{quoted(field)}" for field in feedback_spool.FIELDS)
        keys = "".join(f"r.{quoted(key)}, " for key in problem.keys)
        rows = connection.sql(
            f"SELECT date_trunc('day', o.received_at AT TIME ZONE 'UTC')::DATE AS _date, {chosen}, "
            f"{keys}r.event_time FROM open_feedback AS o "
            'LEFT JOIN answered AS r USING (request_id, "row") '
            "WHERE r.event_time IS NOT NULL OR NOT o._seen ORDER BY o.received_at"
        ).to_arrow_table()
        if len(rows):
            workspace.lake.append(name, rows)
        remember(workspace, declared, looked)
    return _counted(connection, workspace.lake, declared, len(rows))


def event_times_since(
    lake: Lake, declared: DeclaredProblem, version: int | None
) -> tuple[datetime, datetime] | None:
    """Return the first and the last event time among what a version of the table lacks.

    Args:
        lake: Holds the table.
        declared: The problem.
        version: An earlier version; None for the empty table.
    """
    name, columns = table_name(declared, FEEDBACK), columns_of(declared)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lake.register(connection, name, name="now_known", columns=columns)
        connection.execute("CREATE TEMP VIEW then_known AS FROM now_known LIMIT 0")
        if version is not None:
            lake.register(connection, name, name="then_known", version=version)
        first, last = connection.execute(
            "SELECT min(event_time), max(event_time) FROM now_known AS n WHERE NOT EXISTS ("
            f"FROM then_known AS k WHERE {_same('n', 'k')} AND k.event_time IS NOT NULL)"
        ).fetchall()[0]
    return None if first is None else (first, last)


def truths_between(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> None:
    """Create the view ``truths`` of the feedback on events in ``window``, in the label's type.

    Its columns are the keys, ``event_time``, the target and ``known_at``: when it was received.
    """
    problem = declared.problem
    target = problem.label.column
    lake.register(
        connection, table_name(declared, FEEDBACK), name="feedback", columns=columns_of(declared)
    )
    identity = ", ".join(quoted(name) for name in problem.identity)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW truths AS "
        f"SELECT {identity}, TRY_CAST(truth AS {label_type(declared)}) AS {quoted(target)}, "
        "received_at AS known_at FROM feedback "
        f"WHERE event_time >= {literal(window.start)} AND event_time < {literal(window.end)}"
    )


def label_type(declared: DeclaredProblem) -> str:
    """Return the SQL type of the target."""
    target, contract = declared.problem.label.column, declared.contract.contract
    if target in contract.by_name:
        return contract.column(target).sql_type
    return "DOUBLE" if declared.problem.task == "regression" else "VARCHAR"


def _of_queue(answers: list[LabelRequest]) -> pa.Table:
    """Return answers of the labelling queue as if their people had sent them."""
    rows = [
        {
            "request_id": one.request_id,
            "row": one.row,
            "truth": one.answer,
            "at": one.answered_at,
            "received_at": one.answered_at,
            "by": one.answered_by,
        }
        for one in answers
    ]
    return pa.Table.from_pylist(rows, schema=ANSWERS)


def _same(left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in IDENTITY)


def _counted(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, added: int
) -> Taken:
    name = table_name(declared, FEEDBACK)
    lake.register(connection, name, name="feedback", columns=columns_of(declared))
    identity = ", ".join(IDENTITY)
    total, known = connection.execute(
        f"SELECT count(*), count(*) FILTER (WHERE known) FROM (SELECT {identity}, "
        f"bool_or(event_time IS NOT NULL) AS known FROM feedback GROUP BY {identity})"
    ).fetchall()[0]
    return Taken(added, lake.version(name), total - known, total)
