"""Rows of pumps whose time runs with their number, as JSON, Arrow or Parquet."""

import io
import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bentos.predictor.body import ARROW_TYPE
from ml_assets_tests.serving.mixed_load.journal import Row
from ml_assets_tests.serving.releases import HOURS, START

# Twenty thousand rows are eleven hours. While the server is away, no time passes: no pump may be
# silent for longer than its features look back.
STEP = timedelta(seconds=2)
BEGIN = START + timedelta(hours=HOURS)
PARQUET_TYPE = "application/vnd.apache.parquet"
SCHEMA = pa.schema(
    {
        "pump": pa.string(),
        "load": pa.float64(),
        "pm2.5": pa.float64(),
        "starts": pa.int64(),
        "mode": pa.string(),
        "event_time": pa.timestamp("us", tz="UTC"),
    }
)


class Clock:
    """The pumps' time: no two calls get the same moment."""

    def __init__(self) -> None:
        self._last = BEGIN
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self._last += STEP
            return self._last


@dataclass(frozen=True)
class Pumps:
    """Makes rows. Numbers are multiples of 1/8, whose sums are exact in any order."""

    clock: Clock
    random: np.random.Generator

    def row(self, pump: str) -> Row:
        random = self.random
        return {
            "pump": pump,
            "load": int(random.integers(0, 800)) / 8,
            "pm2.5": None if random.random() < 0.1 else int(random.integers(0, 160)) / 8,
            "starts": int(random.integers(0, 9)),
            "mode": [None, "eco", "full"][int(random.integers(0, 3))],
            "event_time": self.clock.now().isoformat(),
        }


def as_json(rows: list[Row]) -> tuple[bytes, str]:
    content = rows[0] if len(rows) == 1 else {"rows": rows}
    return json.dumps(content).encode(), "application/json"


def as_arrow(rows: list[Row]) -> tuple[bytes, str]:
    table = _table(rows)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes(), ARROW_TYPE


def as_parquet(rows: list[Row]) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    pq.write_table(_table(rows), buffer)
    return buffer.getvalue(), PARQUET_TYPE


def _table(rows: list[Row]) -> pa.Table:
    typed = [{**row, "event_time": datetime.fromisoformat(row["event_time"])} for row in rows]
    return pa.Table.from_pylist(typed, schema=SCHEMA)
