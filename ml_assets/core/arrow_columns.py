"""Columns of plain values as Arrow arrays.

pyarrow's own conversion of a list imports pandas to look whether it is one of its arrays; a server
has no use for it.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ml_assets.core.contract import Contract, Kind
from ml_assets.core.request_rows import EVENT_TIME

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A column as Arrow keeps it in memory.

    Attributes:
        given: Whether each of n values is there, shape (n,); None if all are.
        buffers: What follows the validity: the values; of texts their offsets and their bytes.
    """

    given: np.ndarray | None
    buffers: tuple[np.ndarray | bytes, ...]

    def array(self, kind: pa.DataType, rows: int) -> pa.Array:
        """Return the column as an Arrow array."""
        validity = None if self.given is None else pa.py_buffer(bits(self.given))
        return pa.Array.from_buffers(kind, rows, [validity, *map(pa.py_buffer, self.buffers)])


def kinds_of(contract: Contract) -> dict[str, Kind]:
    """Return the kind of each column of a request's table; ``event_time`` is one of them."""
    kinds: dict[str, Kind] = {column.name: column.kind for column in contract.columns}
    kinds[EVENT_TIME] = "datetime"
    return kinds


def schema_of(kinds: Mapping[str, Kind]) -> pa.Schema:
    """Return the schema of a table whose columns are of these kinds."""
    return pa.schema({name: ARROW_TYPES[kind] for name, kind in kinds.items()})


def encode(kind: Kind, values: Sequence[Any]) -> Encoded:
    """Return plain values as Arrow keeps them.

    Args:
        kind: Of the column.
        values: Of this kind, None where missing.
    """
    return _ENCODERS[kind](values)


def floats(matrix: np.ndarray) -> list[pa.Array]:
    """Return each row of a matrix as an Arrow array in which NaN is missing.

    Args:
        matrix: Shape (k, n), float64, one row after the other in memory.
    """
    absent = np.isnan(matrix)
    if not absent.any():
        return [_array_of(numbers, None) for numbers in matrix]
    return [
        _array_of(numbers, ~gaps if gaps.any() else None)
        for numbers, gaps in zip(matrix, absent, strict=True)
    ]


def values_in(column: pa.ChunkedArray, kind: type[np.generic]) -> list[np.ndarray]:
    """Return what lies in memory of a column of numbers or times, one array a chunk.

    Anything may lie where a value is missing.
    """
    return [
        np.frombuffer(chunk.buffers()[1], dtype=kind)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]


def joined(column: pa.ChunkedArray, kind: type[np.generic]) -> np.ndarray:
    """Return the same as one array, shape (n,); n is at least 1."""
    parts = values_in(column, kind)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to a moment with a time zone, exactly.

    Example:
        >>> microseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
        -1
    """
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(since: int) -> datetime:
    """Return the moment so many microseconds after 1970, in UTC.

    Example:
        >>> moment_of(-1) == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        True
    """
    return _EPOCH + timedelta(microseconds=since)


def bits(given: np.ndarray) -> np.ndarray:
    """Return booleans as Arrow's bitmap; of a matrix, one bitmap a row."""
    return np.packbits(given, axis=-1, bitorder="little")


def _array_of(numbers: np.ndarray, given: np.ndarray | None) -> pa.Array:
    return Encoded(given, (numbers,)).array(pa.float64(), len(numbers))


def _floats(values: Sequence[float | None] | np.ndarray) -> Encoded:
    numbers = as_floats(values)
    absent = np.isnan(numbers)
    return Encoded(~absent if absent.any() else None, (numbers,))


def as_floats(values: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """Return numbers as float64, NaN where one is missing; shape (n,)."""
    if isinstance(values, np.ndarray):
        return values
    try:
        # Several times as fast as numpy's own way; a missing value it does not take.
        found = array("d", values)  # pyrefly: ignore[no-matching-overload]
        return np.frombuffer(found, dtype=np.float64)
    except TypeError:
        return np.array(values, dtype=np.float64)


def _integers(values: Sequence[int | None]) -> Encoded:
    given = _given(values)
    numbers = values if given is None else [value or 0 for value in values]
    return Encoded(given, (np.array(numbers, dtype=np.int64),))


def _booleans(values: Sequence[bool | None]) -> Encoded:
    return Encoded(_given(values), (bits(np.array(values, dtype=bool)),))


def _times(values: Sequence[datetime | None]) -> Encoded:
    given = _given(values)
    moments = [0 if value is None else microseconds(value) for value in values]
    return Encoded(given, (np.array(moments, dtype=np.int64),))


def _strings(values: Sequence[str | None]) -> Encoded:
    given: np.ndarray | None = None
    texts: Sequence[Any] = values
    try:
        whole = "".join(texts)
    except TypeError:  # one is missing
        given, texts = _given(values), [value or "" for value in values]
        whole = "".join(texts)
    if whole.isascii():
        content, lengths = whole.encode("ascii"), map(len, texts)
    else:
        content = whole.encode()
        lengths = (len(text.encode()) for text in texts)
    offsets = np.zeros(len(texts) + 1, dtype=np.int32)
    np.cumsum(np.fromiter(lengths, dtype=np.int32, count=len(texts)), out=offsets[1:])
    return Encoded(given, (offsets, content))


def _given(values: Sequence[object]) -> np.ndarray | None:
    if None not in values:
        return None
    return np.array([value is not None for value in values], dtype=bool)


_ENCODERS: Mapping[Kind, Callable[[Sequence[Any]], Encoded]] = {
    "float": _floats,
    "integer": _integers,
    "string": _strings,
    "boolean": _booleans,
    "datetime": _times,
}
