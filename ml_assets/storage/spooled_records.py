"""Segments of records of the prediction log as rows, like those of its lines."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from ml_assets.core.feature_query import quoted
from ml_assets.core.log_records import Record, read_records

_MOMENT = pa.timestamp("us", "UTC")
_AS_JSON = (
    "inputs",
    "features",
    "prediction",
    "probabilities",
    "prediction_set",
    "raw",
    "raw_probabilities",
)


def rows_of_records(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    *,
    name: str,
    fields: Mapping[str, str],
) -> list[str]:
    """Return SQL for the rows of segments, a SELECT for each kind of record in them.

    Args:
        connection: Will run the SQL; the records are registered there.
        files: Segments of records.
        name: Begins the names under which they are registered.
        fields: Columns of each SELECT, and their SQL types.

    Raises:
        ArtefactError: If a segment is damaged.
    """
    # Versions have features of their own: tables of the same columns lie below each other.
    alike: dict[pa.Schema, list[pa.Table]] = {}
    for path in files:
        for record, _ in read_records(memoryview(path.read_bytes()), segment=str(path)):
            table = _table(record)
            alike.setdefault(table.schema, []).append(table)
    found = []
    for number, (schema, tables) in enumerate(alike.items()):
        registered = f"{name}_records_{number}"
        connection.register(registered, pa.concat_tables(tables))
        columns = ", ".join(_columns(fields, set(schema.names)))
        found.append(f"SELECT {columns} FROM {quoted(registered)}")
    return found


def _table(record: Record) -> pa.Table:
    """Return a record's rows with what holds for all of them."""
    rows = record.rows.num_rows
    columns = {
        "request_id": pa.repeat(record.request_id, rows),
        "at": pa.repeat(pa.scalar(record.at, _MOMENT), rows),
        "version": pa.repeat(record.version, rows),
        "revision": pa.repeat(record.revision, rows),
        "row": pa.array(range(rows), pa.int64()),
        **{field.name: record.rows.column(field.name) for field in record.rows.schema},
    }
    return pa.table(columns)


def _columns(fields: Mapping[str, str], given: set[str]) -> Iterator[str]:
    for field, kind in fields.items():
        if field == "variant":
            yield "'champion' AS variant"
        elif field == "unfamiliar" and field not in given:
            yield "false AS unfamiliar"
        elif field not in given:
            yield f"NULL::{kind} AS {quoted(field)}"
        elif field in _AS_JSON:
            yield f"to_json({quoted(field)}) AS {quoted(field)}"
        else:
            yield f"{quoted(field)}::{kind} AS {quoted(field)}"
