"""The rows of requests as a table that DuckDB reads where it lies."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from ml_assets.core.arrow_columns import kinds_of, schema_of
from ml_assets.core.asked_slots import ROWS, Slots
from ml_assets.core.contract import Contract
from ml_assets.core.request_rows import EVENT_TIME, RequestRows
from ml_assets.core.table_rows import TableRows, as_table


class AskedRows:
    """A table whose rows are exchanged without telling DuckDB.

    DuckDB asks a registered object for its Arrow stream each time a statement runs. So statements
    over this table are prepared once, and nothing is registered, copied or planned for a request.

    Args:
        contract: Columns of a request; ``event_time`` is added if it is not among them.
    """

    def __init__(self, contract: Contract) -> None:
        self._kinds = kinds_of(contract)
        self.schema = schema_of(self._kinds)
        self._slots = Slots(self._kinds)
        self._rows = as_table(RequestRows([], {name: [] for name in self._kinds}), self._kinds)

    def hold(self, requests: Sequence[RequestRows]) -> None:
        """Let the table be the rows of some requests, in their order, until the next ones come."""
        rows = sum(map(len, requests))
        few = 0 < rows <= ROWS
        if not few and any(isinstance(one, TableRows) for one in requests):
            self._rows = pa.concat_tables([as_table(one, self._kinds) for one in requests])
            return
        joined = _joined(requests, self.schema.names)
        held = self._slots.table(joined, rows) if few else None
        self._rows = as_table(joined, self._kinds) if held is None else held

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)


def _joined(requests: Sequence[RequestRows], names: Sequence[str]) -> RequestRows:
    """Return the rows of requests below each other."""
    if len(requests) == 1:
        return requests[0]
    columns = {
        name: _chained([rows.columns[name] for rows in requests])
        for name in names
        if name != EVENT_TIME
    }
    return RequestRows(_chained([rows.event_times for rows in requests]), columns)


def _chained(parts: Sequence[Sequence[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))
