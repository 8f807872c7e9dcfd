"""Feedback as the servers write it."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from ml_assets.core.feature_query import quoted
from ml_assets.core.feedback import FEEDBACK
from ml_assets.storage.prediction_spool import refuse_damaged

# Fields of a line and their SQL types; a truth is kept as text until its problem gives it a type.
FIELDS = {
    "request_id": "VARCHAR",
    "row": "BIGINT",
    "truth": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "by": "VARCHAR",
}


def segments(spool: Path, problem: str) -> list[Path]:
    """Return the segments of a problem's feedback, oldest first.

    Args:
        spool: Folder of all problems' logs.
        problem: Name of the problem.
    """
    return sorted((spool / problem / FEEDBACK).glob("????-??-??/*.jsonl"))


def read(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], name: str) -> None:
    """Create a view over segments: one row for each truth that was acknowledged.

    A line without its end is one that a server was writing when it was killed. No one was told
    that it was taken, and it is left out.

    Raises:
        ArtefactError: If a segment holds a line that is damaged.
    """
    columns = ", ".join(_column(field, kind) for field, kind in FIELDS.items())
    if files:
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        lines = (
            f"SELECT json, filename FROM read_ndjson_objects([{listed}], filename = true, "
            "ignore_errors = true)"
        )
        refuse_damaged(connection, lines)
    else:
        lines = "SELECT NULL::JSON AS json LIMIT 0"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT DISTINCT {columns} FROM ({lines}) "
        "WHERE json IS NOT NULL"
    )


def _column(field: str, kind: str) -> str:
    return f"(json ->> '$.{field}')::{kind} AS {quoted(field)}"
