"""Rows on their way into a table: the types a table holds, and rows that can be written again."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.types as kinds
from deltalake import DeltaTable

from ml_assets.core.errors import LakeError

PARTITION = "_date"
MOMENT = pa.timestamp("us", "UTC")
Rows = pa.Table | pa.RecordBatchReader


def stored_schema(table: str, schema: pa.Schema) -> pa.Schema:
    """Return ``schema`` with the types a Delta table holds: microseconds in UTC, plain text.

    Raises:
        LakeError: If a column has a type that cannot be stored, or two names differ in case only.
    """
    for name, count in Counter(name.casefold() for name in schema.names).items():
        if count > 1:
            message = (
                f"The rows for {table!r} have {count} columns called {name!r}, not counting case. "
                "Rename all but one."
            )
            raise LakeError(message)
    return pa.schema([(field.name, _stored_type(table, field)) for field in schema])


def _stored_type(table: str, field: pa.Field) -> pa.DataType:
    kind = field.type.value_type if kinds.is_dictionary(field.type) else field.type
    advice = "Convert it to a number, text, a date or a TIMESTAMPTZ."
    if kinds.is_timestamp(kind):
        if kind.tz is not None:
            return MOMENT
        advice = "A moment needs a time zone: write a TIMESTAMPTZ in UTC."
    elif kinds.is_unsigned_integer(kind):
        return pa.int64()
    elif kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return pa.string()
    elif kinds.is_date64(kind):
        return pa.date32()
    elif kinds.is_null(kind):
        advice = "All its values are missing: give it a type, such as CAST(NULL AS VARCHAR)."
    elif not (kinds.is_time(kind) or kinds.is_duration(kind) or kinds.is_interval(kind)):
        return kind
    message = f"Column {field.name!r} of the rows for {table!r} is a {kind}. {advice}"
    raise LakeError(message)


@contextmanager
def replayable(table: str, rows: Rows) -> Iterator[pa.Table]:
    """Yield ``rows`` with stored types, as a table that can be written more than once.

    A stream can be read only once, but a commit that loses a race is written again. So a stream
    goes to a temporary file first, which is then mapped into memory.

    Raises:
        LakeError: If a type cannot be stored or a row has no ``_date``.
    """
    schema = stored_schema(table, rows.schema)
    if isinstance(rows, pa.Table):
        yield _with_dates(table, rows.cast(schema))
        return
    with TemporaryDirectory(prefix="ml_assets_rows_") as folder:
        path = Path(folder) / "rows.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for batch in rows:
                writer.write_batch(batch.cast(schema))
        with pa.memory_map(str(path)) as source:
            yield _with_dates(table, pa.ipc.open_file(source).read_all())


def _with_dates(table: str, rows: pa.Table) -> pa.Table:
    if PARTITION in rows.schema.names and rows[PARTITION].null_count:
        count = rows[PARTITION].null_count
        message = f"{count} rows for {table!r} have no {PARTITION}: give each row its partition."
        raise LakeError(message)
    return rows


def fitted(table: str, rows: pa.Table, handle: DeltaTable) -> pa.Table:
    """Return ``rows`` with the columns of the stored table, in its order, and new ones last.

    A column the rows lack is filled with missing values.

    Raises:
        LakeError: If a column has another type than in the table, which would change its values
            without a word.
    """
    stored = stored_schema(table, pa.schema(handle.schema()))
    known = {name.casefold(): name for name in stored.names}
    new = []
    for field in rows.schema:
        name = known.get(field.name.casefold())
        if name is None:
            new.append(field.name)
        elif name != field.name:
            message = (
                f"{table!r} has a column {name!r}; its new rows call it {field.name!r}. "
                "Names may not differ in case only: use the first."
            )
            raise LakeError(message)
        elif field.type != stored.field(name).type:
            message = (
                f"Column {name!r} of {table!r} holds {stored.field(name).type}; the new rows hold "
                f"{field.type}. Cast them, or replace the whole table."
            )
            raise LakeError(message)
    for field in stored:
        if field.name not in rows.schema.names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows.select([*stored.names, *new])
