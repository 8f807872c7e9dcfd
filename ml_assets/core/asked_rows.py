"""The rows of requests as a table that DuckDB reads where it lies."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from ml_assets.core.contract import Contract, Kind
from ml_assets.core.request_rows import EVENT_TIME, RequestRows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", "UTC"),
}


class AskedRows:
    """A table whose rows are exchanged without telling DuckDB.

    DuckDB asks a registered object for its Arrow stream each time a statement runs. So statements
    over this table are prepared once, and nothing is registered, copied or planned for a request.

    Args:
        contract: Columns of a request; ``event_time`` is added if it is not among them.
    """

    def __init__(self, contract: Contract) -> None:
        kinds = {column.name: column.kind for column in contract.columns}
        kinds[EVENT_TIME] = "datetime"
        self.schema = pa.schema({name: ARROW_TYPES[kind] for name, kind in kinds.items()})
        self._names = [name for name in kinds if name != EVENT_TIME]
        self._floats = [name for name, kind in kinds.items() if kind == "float"]
        self._others = {name: kind for name, kind in kinds.items() if kind != "float"}
        self.hold(())

    def hold(self, requests: Sequence[RequestRows]) -> None:
        """Let the table be the rows of some requests, in their order."""
        columns = {name: _joined([rows.columns[name] for rows in requests]) for name in self._names}
        columns[EVENT_TIME] = _joined([rows.event_times for rows in requests])
        numbers = np.array([columns[name] for name in self._floats], dtype=np.float64)
        arrays = dict(zip(self._floats, _float_arrays(numbers), strict=True))
        for name, kind in self._others.items():
            arrays[name] = _ARRAYS[kind](columns[name])
        ordered = [arrays[name] for name in self.schema.names]
        self._rows = pa.Table.from_arrays(ordered, schema=self.schema)

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)


# pyarrow's own conversion of a list imports pandas to look whether it is one of its arrays.


def _joined(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))


def _float_arrays(numbers: np.ndarray) -> list[pa.Array]:
    """Return one array a row of a matrix; NaN is null."""
    given = ~np.isnan(numbers)
    whole = given.all()
    return [
        _fixed(pa.float64(), values, None if whole else given[n])
        for n, values in enumerate(numbers)
    ]


def _integers(values: Sequence[int | None]) -> pa.Array:
    given = _given(values)
    numbers = values if given.all() else [value or 0 for value in values]
    return _fixed(pa.int64(), np.array(numbers, dtype=np.int64), given)


def _booleans(values: Sequence[bool | None]) -> pa.Array:
    bits = np.packbits(np.array(values, dtype=bool), bitorder="little")
    return _fixed(pa.bool_(), bits, _given(values))


def _times(values: Sequence[datetime | None]) -> pa.Array:
    moments = [0 if value is None else microseconds(value) for value in values]
    given = _given(values)
    return _fixed(pa.timestamp("us", "UTC"), np.array(moments, dtype=np.int64), given)


def _strings(values: Sequence[str | None]) -> pa.Array:
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    given = _given(values)
    buffers = [_validity(given), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


_ARRAYS: Mapping[Kind, Callable[[Sequence[Any]], pa.Array]] = {
    "integer": _integers,
    "string": _strings,
    "boolean": _booleans,
    "datetime": _times,
}


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to a moment with a time zone, exactly.

    Example:
        >>> microseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
        -1
    """
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _given(values: Sequence[object]) -> np.ndarray:
    return np.array([value is not None for value in values], dtype=bool)


def _fixed(kind: pa.DataType, values: np.ndarray, given: np.ndarray | None) -> pa.Array:
    rows = len(values) if given is None else len(given)
    return pa.Array.from_buffers(kind, rows, [_validity(given), pa.py_buffer(values)])


def _validity(given: np.ndarray | None) -> pa.Buffer | None:
    return (
        None
        if given is None or given.all()
        else pa.py_buffer(np.packbits(given, bitorder="little"))
    )
