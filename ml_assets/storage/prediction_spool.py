"""The prediction log as the servers write it, read by hour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_query import quoted
from ml_assets.storage.spooled_records import rows_of_records

# Fields of a line and their SQL types; "inputs" and the like stay JSON, for columns differ.
FIELDS = {
    "request_id": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "version": "VARCHAR",
    "revision": "BIGINT",
    "row": "BIGINT",
    "event_time": "TIMESTAMPTZ",
    "inputs": "JSON",
    "features": "JSON",
    "prediction": "JSON",
    "probabilities": "JSON",
    "variant": "VARCHAR",
    "routing_key": "VARCHAR",
    "latency_ms": "DOUBLE",
    "error": "VARCHAR",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "prediction_set": "JSON",
    "unfamiliar": "BOOLEAN",
    "raw": "JSON",
    "raw_probabilities": "JSON",
    "intervention": "VARCHAR",
}
LINES, RECORDS = ".jsonl", ".records"
SUFFIXES = (LINES, RECORDS)
# What is meant where a line does not say it: before versions shared traffic, the champion answered.
UNSAID = {"variant": "'champion'", "unfamiliar": "false"}
LONGEST_REQUEST = timedelta(minutes=1)
LARGEST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True, order=True)
class SpoolHour:
    """The segments that all servers of one version wrote in one hour, a challenger's lines with it.

    Attributes:
        hour: Start of the hour, in UTC, by the servers' clock.
        version: The champion, or the shadow.
        files: The segments.
    """

    hour: datetime
    version: str
    files: tuple[Path, ...]

    def is_over(self, now: datetime) -> bool:
        """Whether nothing is appended any more: the hour is over, and so are its last requests."""
        return now >= self.hour + timedelta(hours=1) + LONGEST_REQUEST

    @property
    def size(self) -> int:
        """Bytes in all segments: it grows as long as one is written to."""
        return sum(path.stat().st_size for path in self.files)


def hours(spool: Path, problem: str) -> list[SpoolHour]:
    """Return all hours in the spool of a problem, oldest first.

    Args:
        spool: Folder of all problems' logs.
        problem: Name of the problem.
    """
    found: dict[tuple[datetime, str], list[Path]] = {}
    for path in sorted((spool / problem).glob("*/????-??-??/??/*.*")):
        if path.suffix not in SUFFIXES:
            continue
        version, day, hour = path.parts[-4:-1]
        start = datetime.strptime(f"{day} {hour}", "%Y-%m-%d %H").replace(tzinfo=UTC)
        found.setdefault((start, version), []).append(path)
    return [
        SpoolHour(hour, version, tuple(files)) for (hour, version), files in sorted(found.items())
    ]


def read(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], name: str) -> None:
    """Create a view over segments: one row for each row and version that was asked, each once.

    A request that was sent again under its old name counts as its last answer, whichever version
    gave that. What the shadow said beside it is kept apart.

    Args:
        connection: Where the view goes.
        files: Segments.
        name: Name of the view; its columns are ``FIELDS``.

    Raises:
        ArtefactError: If a segment holds a line that is damaged.
    """
    every = f"every_{name}"
    read_all(connection, files, every)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW {quoted(name)} AS SELECT * FROM {quoted(every)}
        QUALIFY row_number() OVER (PARTITION BY request_id, "row", variant ORDER BY "at" DESC) = 1
            AND "at" = max("at") OVER (PARTITION BY request_id, "row", variant = 'shadow')
        """
    )


def read_all(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], name: str) -> None:
    """Create a view over segments: one row for each time that a row was answered.

    A line without its end is one that a server is writing, or was writing when it was killed: no
    one was answered yet, and it is left out.

    Args:
        connection: Where the view goes.
        files: Segments.
        name: Name of the view; its columns are ``FIELDS``.

    Raises:
        ArtefactError: If a segment holds a line that is damaged.
    """
    lines = [path for path in files if path.suffix == LINES]
    parts = [_of_lines(connection, lines)] if lines else []
    parts += rows_of_records(
        connection, [path for path in files if path.suffix == RECORDS], name=name, fields=FIELDS
    )
    if not parts:
        columns = ", ".join(f"NULL::{kind} AS {quoted(field)}" for field, kind in FIELDS.items())
        parts = [f"SELECT {columns} LIMIT 0"]
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {quoted(name)} AS {' UNION ALL BY NAME '.join(parts)}"
    )


def _of_lines(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> str:
    """Return SQL for the rows of segments of lines, after none was found damaged."""
    listed = ", ".join(_literal(str(path)) for path in files)
    lines = (
        f"SELECT json, filename FROM read_ndjson_objects([{listed}], filename = true, "
        f"ignore_errors = true, maximum_object_size = {LARGEST_LINE})"
    )
    refuse_damaged(connection, lines)
    columns = ", ".join(_column(field, kind) for field, kind in FIELDS.items())
    return f"SELECT {columns} FROM ({lines}) WHERE json IS NOT NULL"


def refuse_damaged(connection: duckdb.DuckDBPyConnection, lines: str) -> None:
    """Refuse segments with a line that is no JSON, other than one that is still being written.

    Args:
        connection: Computes.
        lines: SELECT of ``json`` and ``filename``, with NULL where a line is no JSON.

    Raises:
        ArtefactError: If there are any.
    """
    unreadable = connection.execute(
        f"SELECT filename, count(*) FROM ({lines}) WHERE json IS NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    damaged = [path for path, count in unreadable if count > 1 or _ends_with_a_line(Path(path))]
    if damaged:
        message = (
            f"Segments of the prediction log are damaged: {damaged}. A line in them is no JSON. "
            "Move them out of the spool, and look at the disk."
        )
        raise ArtefactError(message)


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _column(field: str, kind: str) -> str:
    if kind == "JSON":
        return f"json -> {_literal('$.' + field)} AS {quoted(field)}"
    value = f"(json ->> {_literal('$.' + field)})::{kind}"
    if field in UNSAID:
        value = f"coalesce({value}, {UNSAID[field]})"
    return f"{value} AS {quoted(field)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
