"""The rows of a request as a table: what came as one, or is too long to be told value by value."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import pyarrow as pa

from ml_assets.core.arrow_columns import encode, moment_of, schema_of
from ml_assets.core.contract import Kind
from ml_assets.core.request_rows import EVENT_TIME, RequestRows


class TableRows(RequestRows):
    """Rows that stay a table; plain values are made of a column when somebody asks for them.

    Args:
        table: The columns of the contract and ``event_time``, of the types that
            :func:`~ml_assets.core.arrow_columns.schema_of` says.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__([], _Columns(table))
        self.table = table

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def event_times(self) -> list[datetime]:
        """When each row happened, in UTC."""
        return self._moments

    @cached_property
    def _moments(self) -> list[datetime]:
        return _moments(self.table.column(EVENT_TIME))


def as_table(rows: RequestRows, kinds: Mapping[str, Kind]) -> pa.Table:
    """Return the rows of a request as a table.

    Args:
        rows: The rows.
        kinds: Kind of each column of the table; ``event_time`` is one of them.
    """
    if isinstance(rows, TableRows):
        return rows.table
    values = {**rows.columns, EVENT_TIME: rows.event_times}
    schema = schema_of(kinds)
    arrays = [
        encode(kinds[field.name], values[field.name]).array(field.type, len(rows))
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def plain(table: pa.Table) -> RequestRows:
    """Return the rows of such a table as plain values."""
    rows = TableRows(table)
    return RequestRows(rows.event_times, dict(rows.columns))


class _Columns(Mapping[str, list[Any]]):
    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names = [name for name in table.schema.names if name != EVENT_TIME]
        self._made: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> list[Any]:
        if name not in self._made:
            column = self._table.column(name)
            is_time = pa.types.is_timestamp(column.type)
            self._made[name] = _moments(column) if is_time else column.to_pylist()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _moments(column: pa.ChunkedArray) -> list[Any]:
    return [
        None if since is None else moment_of(since) for since in column.cast(pa.int64()).to_pylist()
    ]
