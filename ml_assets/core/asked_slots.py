"""Memory for the rows of a few requests, and Arrow tables over it that are made once.

Most passes hold a handful of rows. Making a table of fifteen columns for them, and letting DuckDB
meet it for the first time, takes longer than the query. So the tables stay, one for each number of
rows, and only what lies in their memory is written anew. Whoever reads one has to be done before
the next rows come: DuckDB is, once it has returned the result of a statement.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ml_assets.core.arrow_columns import Encoded, bits, encode, schema_of
from ml_assets.core.contract import Kind
from ml_assets.core.request_rows import EVENT_TIME, RequestRows

ROWS = 64
_TEXT_BYTES = 4096  # of all texts of a column together


class Slots:
    """Tables over one piece of memory. For one thread at a time.

    Args:
        kinds: Kind of each column.
    """

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._schema = schema_of(kinds)
        self._floats = [name for name, kind in kinds.items() if kind == "float"]
        self._others = {name: kind for name, kind in kinds.items() if kind != "float"}
        self._numbers = np.zeros((len(self._floats), ROWS))
        self._given = np.zeros((len(self._floats), ROWS // 8), dtype=np.uint8)
        self._memory = {name: _memory(kind) for name, kind in self._others.items()}
        self._validity = {name: np.zeros(ROWS // 8, dtype=np.uint8) for name in self._others}
        self._tables: dict[tuple[int, bool], pa.Table] = {}

    def table(self, asked: RequestRows, rows: int) -> pa.Table | None:
        """Return rows as a table, or None if their texts are too long.

        Args:
            asked: The rows.
            rows: How many they are, 1 to ``ROWS``.
        """
        columns = asked.columns
        numbers = np.array([columns[name] for name in self._floats], dtype=np.float64)
        numbers.shape = (len(self._floats), rows)
        self._numbers[:, :rows] = numbers
        encoded = {
            name: encode(kind, asked.event_times if name == EVENT_TIME else columns[name])
            for name, kind in self._others.items()
        }
        if not all(self._write(name, one) for name, one in encoded.items()):
            return None
        absent = np.isnan(numbers)
        gaps = bool(absent.any()) or any(one.given is not None for one in encoded.values())
        if gaps:
            self._mark(~absent, encoded, rows)
        table = self._tables.get((rows, gaps))
        if table is None:
            table = self._tables[rows, gaps] = self._made(rows, gaps=gaps)
        return table

    def _write(self, name: str, encoded: Encoded) -> bool:
        """Write a column where its tables look for it; say whether there was room."""
        for memory, content in zip(self._memory[name], encoded.buffers, strict=True):
            found = np.frombuffer(content, dtype=np.uint8)
            if len(found) > len(memory):
                return False
            memory[: len(found)] = found
        return True

    def _mark(self, given: np.ndarray, encoded: Mapping[str, Encoded], rows: int) -> None:
        """Write which values are there."""
        size = (rows + 7) // 8
        self._given[:, :size] = bits(given)
        for name, one in encoded.items():
            marks = np.ones(rows, dtype=bool) if one.given is None else one.given
            self._validity[name][:size] = bits(marks)

    def _made(self, rows: int, *, gaps: bool) -> pa.Table:
        memory = {name: [self._numbers[n]] for n, name in enumerate(self._floats)} | self._memory
        given = dict(zip(self._floats, self._given, strict=True)) | self._validity
        arrays = [
            pa.Array.from_buffers(
                field.type,
                rows,
                [
                    pa.py_buffer(given[field.name]) if gaps else None,
                    *map(pa.py_buffer, memory[field.name]),
                ],
                # Left unsaid, it would be counted once and believed ever after.
                null_count=int(gaps),
            )
            for field in self._schema
        ]
        return pa.Table.from_arrays(arrays, schema=self._schema)


def _memory(kind: Kind) -> list[np.ndarray]:
    """Return the bytes for a column's values; of texts also for the offsets, which come first."""
    match kind:
        case "string":
            sizes = [4 * (ROWS + 1), _TEXT_BYTES]
        case "boolean":
            sizes = [ROWS // 8]
        case _:
            sizes = [8 * ROWS]
    return [np.zeros(size, dtype=np.uint8) for size in sizes]
