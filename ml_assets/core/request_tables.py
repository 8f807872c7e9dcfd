"""Rows of a request as an Arrow stream or a Parquet file, read as strictly as JSON is.

A body says itself how large it becomes. It is believed only as far as it cannot lie: an Arrow
stream must not be compressed, so that its arrays are the body; a Parquet file may be compressed
with Snappy, which makes at most 22 bytes of one. Texts are counted before they are repeated.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.arrow_columns import moment_of
from ml_assets.core.contract import Column, Kind

_CODECS = frozenset({"UNCOMPRESSED", "SNAPPY"})
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


# What pyarrow raises for bytes that are no table.
_DAMAGED = (
    pa.ArrowException,
    OSError,
    struct.error,
    IndexError,
    OverflowError,
    UnicodeDecodeError,
)


class Unreadable(Exception):  # noqa: N818 - the caller turns it into a refusal
    """A body that is not read.

    Args:
        message: What was wrong and what is expected.
        rule: Which rule is broken, in one word.
        column: The column at fault, where there is one.
    """

    def __init__(self, message: str, *, rule: str, column: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.column = column


def read_table(
    body: bytes, kind: Literal["arrow", "parquet"], *, max_rows: int, max_bytes: int
) -> pa.Table:
    """Return the table in a body.

    Args:
        body: The request's bytes.
        kind: What they are.
        max_rows: Rows it may have.
        max_bytes: Bytes that its columns may take once they are read.

    Raises:
        Unreadable: If it is no such body, or too large. Nothing large has been read then.
    """
    try:
        if kind == "arrow":
            table = _read_stream(body, max_rows)
        else:
            table = _read_parquet(body, max_rows, max_bytes)
        table.validate(full=True)
        _decode_names(table.schema)
    except _DAMAGED as error:
        message = f"The body is no valid {kind} content: {error}."
        raise Unreadable(message, rule=kind) from error
    has_dictionary = any(map(pa.types.is_dictionary, table.schema.types))
    # Without a dictionary no column is larger than the stream: it need not be counted.
    if kind == "parquet" or has_dictionary or table.num_columns * len(body) > max_bytes:
        size = table.nbytes + sum(map(_repeated, table.columns))
        if size > max_bytes:
            raise _too_large(size, max_bytes)
    return table


def _decode_names(schema: pa.Schema) -> None:
    """Read names and time zones: they are text too, and pyarrow decodes them on demand."""
    _ = schema.names
    for kind in schema.types:
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        _ = plain.tz if pa.types.is_timestamp(plain) else None


def values_of(column: pa.ChunkedArray, declared: Column) -> list[Any]:
    """Return a column's values as JSON decoding gives them, None where missing.

    Args:
        column: The column.
        declared: What the contract says of it; nulls are the caller's to judge.

    Raises:
        Unreadable: If its type is another one; nothing is converted that loses anything.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind):
        return [None] * len(column)
    if not fits(kind, declared.kind):
        message = f"Expected {_EXPECTED[declared.kind]}, got {column.type}."
        raise Unreadable(message, rule="type", column=declared.name)
    if declared.kind == "datetime":
        return _moments(column)
    values = column.to_pylist()
    if declared.kind == "float":
        values = [None if value is None else float(value) for value in values]
        if any(value is not None and value != value for value in values):  # noqa: PLR0124
            message = "NaN is no number: send null where a value is missing."
            raise Unreadable(message, rule="type", column=declared.name)
    return values


_EXPECTED: Mapping[Kind, str] = {
    "float": "a column of floats or integers",
    "integer": "a column of integers",
    "string": "a column of strings",
    "boolean": "a column of booleans",
    "datetime": "a column of timestamps with a time zone",
}


def fits(found: pa.DataType, kind: Kind) -> bool:
    """Say whether a column of an Arrow type can hold values of a kind."""
    types = pa.types
    match kind:
        case "float":
            return types.is_float32(found) or types.is_float64(found) or types.is_integer(found)
        case "integer":
            return types.is_integer(found)
        case "string":
            return types.is_string(found) or types.is_large_string(found)
        case "boolean":
            return types.is_boolean(found)
        case "datetime":
            return types.is_timestamp(found) and found.tz is not None


def _moments(column: pa.ChunkedArray) -> list[datetime | None]:
    try:
        exact = column.cast(pa.timestamp("us", "UTC"))
        # Years that Python cannot hold are refused with all others that lie too far away.
        return [
            None if since is None else moment_of(since)
            for since in exact.cast(pa.int64()).to_pylist()
        ]
    except (pa.ArrowInvalid, ValueError, OverflowError) as error:
        message = "Times are told to the microsecond, within the years 1678 to 2261."
        raise Unreadable(message, rule="time") from error


def _read_stream(body: bytes, max_rows: int) -> pa.Table:
    for message in _messages(pa.ipc.MessageReader.open_stream(body)):
        if _is_compressed(message.metadata.to_pybytes()):
            text = "An Arrow stream must not be compressed: write it without compression."
            raise Unreadable(text, rule="compression")
    with pa.ipc.open_stream(body) as stream:
        batches, rows = [], 0
        for batch in stream:
            rows += batch.num_rows
            if rows > max_rows:
                raise _too_many(rows, max_rows)
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def _messages(reader: pa.ipc.MessageReader) -> Iterator[pa.Message]:
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _is_compressed(message: bytes) -> bool:
    """Say whether the flatbuffer of an Arrow message declares compressed buffers.

    Field numbers are those of ``Message``, ``DictionaryBatch`` and ``RecordBatch`` in the Arrow
    format's Message.fbs.
    """
    root = struct.unpack_from("<I", message)[0]
    kind_at = _field(message, root, 1)
    kind = message[kind_at] if kind_at else 0
    if kind not in {_RECORD_BATCH, _DICTIONARY_BATCH}:
        return False
    batch = _table_at(message, _field(message, root, 2))
    if kind == _DICTIONARY_BATCH:
        batch = _table_at(message, _field(message, batch, 1))
    return _field(message, batch, 3) != 0


def _field(message: bytes, table: int, number: int) -> int:
    """Return where a field of a flatbuffer's table lies; 0 if it is absent."""
    vtable = table - struct.unpack_from("<i", message, table)[0]
    slot = 4 + 2 * number
    if slot >= struct.unpack_from("<H", message, vtable)[0]:
        return 0
    offset = struct.unpack_from("<H", message, vtable + slot)[0]
    return table + offset if offset else 0


def _table_at(message: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", message, place)[0]


def _read_parquet(body: bytes, max_rows: int, max_bytes: int) -> pa.Table:
    source = pa.BufferReader(body)
    metadata = pq.read_metadata(source)
    if metadata.num_rows > max_rows:
        raise _too_many(metadata.num_rows, max_rows)
    chunks = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    codecs = {chunk.compression for chunk in chunks} - _CODECS
    if codecs:
        message = f"The Parquet file is compressed with {sorted(codecs)}; use snappy or none."
        raise Unreadable(message, rule="compression")
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    if size > max_bytes:
        raise _too_large(size, max_bytes)
    # As dictionaries: a text that many rows share is read once, and counted before it is repeated.
    texts = [
        field.name
        for field in metadata.schema.to_arrow_schema()
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    file = pq.ParquetFile(source, metadata=metadata, read_dictionary=texts)
    return file.read(use_threads=False)


def _repeated(column: pa.ChunkedArray) -> int:
    """Return the bytes that texts of a dictionary take where they stand."""
    if not pa.types.is_dictionary(column.type):
        return 0
    return sum(map(_repeated_in, column.chunks))


def _repeated_in(chunk: pa.DictionaryArray) -> int:
    kind = chunk.dictionary.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return 0
    lengths = [len(text.as_buffer() or b"") for text in chunk.dictionary]
    return sum(lengths[index] for index in chunk.indices.to_pylist() if index is not None)


def _too_many(rows: int, max_rows: int) -> Unreadable:
    message = f"A request holds 1 to {max_rows} rows; found {rows}."
    return Unreadable(message, rule="row_count")


def _too_large(size: int, max_bytes: int) -> Unreadable:
    message = f"The columns take {size} bytes once they are read; at most {max_bytes} are allowed."
    return Unreadable(message, rule="size")


def names_of(table: pa.Table) -> Sequence[str]:
    """Return the names of the columns, each once.

    Raises:
        Unreadable: If a name comes twice.
    """
    names = table.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"The column {twice[0]!r} is there more than once."
        raise Unreadable(message, rule="unknown_field", column=twice[0])
    return names
