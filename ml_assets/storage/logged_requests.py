"""The prediction log as requests in the order of their arrival, for a replay."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ml_assets.core.arrivals import clock
from ml_assets.core.contract import Contract
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.request_rows import EVENT_TIME
from ml_assets.core.window import Window, floor
from ml_assets.storage import prediction_spool
from ml_assets.storage.prediction_logs import CLOCK_SKEW

LINES = "replayed_lines"
# Rows in a block whose median says what time it was: many of them make one of the server's.
CLOCK_BLOCK = 512


@dataclass(frozen=True, order=True)
class Served:
    """A version under a revision of the deployment."""

    revision: int
    version: str

    @property
    def together(self) -> str:
        """SQL for the lines of the same revision; packed releases share revision 0."""
        version = "'" + self.version.replace("'", "''") + "'"
        packed = f" AND version = {version}" if self.revision == 0 else ""
        return f"revision = {self.revision}{packed}"


def hold_lines(
    connection: duckdb.DuckDBPyConnection,
    spool: Path,
    problem: str,
    window: Window,
    *,
    reach: timedelta,
) -> None:
    """Create the table of all logged rows that bear on a window's rows.

    Each line stands there as often as it was written, with ``_arrival`` and ``_request``, numbers
    in the order of arrival, and ``_clock``, what time it was then by the rows' own event times.

    Args:
        connection: Where the table goes.
        spool: Folder of all problems' logs.
        problem: Name of the problem.
        window: Event times of the rows to replay.
        reach: How far back their features look.
    """
    since = floor(window.start - reach, "hour") - CLOCK_SKEW
    found = prediction_spool.hours(spool, problem)
    files = [path for hour in found if hour.hour >= since for path in hour.files]
    prediction_spool.read_all(connection, files, "replayed_spool")
    # The scan keeps the order of lines in a file: it decides between requests of one moment.
    connection.execute("CREATE OR REPLACE TEMP TABLE unordered AS SELECT * FROM replayed_spool")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE ordered AS SELECT *, row_number() OVER o - 1 AS _arrival "
        'FROM unordered WINDOW o AS (ORDER BY "at", rowid)'
    )
    times = connection.execute(
        "SELECT epoch_us(event_time) AS event_time FROM ordered ORDER BY _arrival"
    ).fetchnumpy()[EVENT_TIME]
    connection.register(
        "clocks",
        pa.table(
            {
                "_arrival": np.arange(len(times)),
                "_clock": clock(np.asarray(times, dtype=np.int64), block=CLOCK_BLOCK),
            }
        ),
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {LINES} AS SELECT *, "
        'dense_rank() OVER (ORDER BY "at", first) AS _request FROM ('
        'SELECT *, min(_arrival) OVER (PARTITION BY "at", request_id) AS first '
        "FROM ordered JOIN clocks USING (_arrival) "
        f"WHERE event_time >= {literal(window.start - reach)} "
        f"AND event_time < {literal(window.end)})"
    )
    connection.unregister("clocks")


def typed_rows(
    connection: duckdb.DuckDBPyConnection, contract: Contract, where: str, *, asked: str
) -> pa.Table:
    """Return logged rows as a request holds them, in the order of arrival.

    Args:
        connection: Holds the lines.
        contract: Columns of a request; what a line lacks is missing.
        where: SQL condition on the lines.
        asked: SQL condition on those whose features are wanted.

    Returns:
        The contract's columns, ``event_time``, ``_arrival``, ``_request`` and ``_asked``.
    """
    kinds = {c.name: c.sql_type for c in contract.columns if c.name != EVENT_TIME}
    columns = "".join(f"i.{quoted(name)}, " for name in kinds)
    structure = json.dumps(kinds).replace("'", "''")
    return connection.sql(
        f"SELECT {columns}event_time, _arrival, _request, ({asked}) AS _asked FROM "
        f"(SELECT *, from_json(inputs, '{structure}') AS i FROM {LINES} WHERE {where}) "
        "ORDER BY _arrival"
    ).to_arrow_table()
