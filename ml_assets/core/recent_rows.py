"""The rows that features may look back on: those of the release, and those of recent requests."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import count

import duckdb
import pyarrow as pa

from ml_assets.core.asked_rows import AskedRows
from ml_assets.core.contract import Contract
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_query import interval, quoted
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS
from ml_assets.core.prepared import Prepared
from ml_assets.core.release import HISTORY_FILE
from ml_assets.core.request_schema import EVENT_TIME

ASKED = "asked"
STORED = "stored_rows"
# Number of the run that brought a row; NULL for rows of the release.
ARRIVAL = "_arrival"
# Rows that requests may add before those out of reach are dropped: each drop copies the table.
ROWS_BEFORE_FORGETTING = 4096


class RecentRows:
    """Tables of a release in a DuckDB connection, to which requests add rows.

    Args:
        connection: Where the tables are created; ``asked`` is registered there too.
        contract: Columns of a request.
        identity: Columns that name one row.
        reach: How far back a row may look; rows out of reach are forgotten.
        history: Validated rows as a table: keys, ``event_time``, ``known_at``, the contract.
        labels: Past labels.
        references: Reference tables by name.

    Raises:
        ArtefactError: If the history lacks a column of the contract.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        contract: Contract,
        *,
        identity: tuple[str, ...],
        reach: timedelta,
        history: pa.Table,
        labels: pa.Table,
        references: Mapping[str, pa.Table],
    ) -> None:
        self.asked = AskedRows(contract)
        self.identity = identity
        self._connection = connection
        self._reach = reach
        self._arrivals = count(1)
        self._arrival = self._forgot_at = 0
        self._fresh_rows = 0
        connection.register(ASKED, self.asked)
        self._create(contract, history)
        self._load(ALL_LABELS, labels, "*")
        for name, table in references.items():
            self._load(name, table, "*")
        self._newest = self._newest_stored()
        known = "" if "known_at" in contract.by_name else f", {EVENT_TIME} AS known_at"
        self._insert = Prepared(
            connection,
            "insert_asked",
            f"INSERT INTO {STORED} BY NAME SELECT *{known}, $1::BIGINT AS {ARRIVAL} FROM {ASKED}",
            parameters=("0",),
        )
        self._delete = Prepared(
            connection,
            "delete_asked",
            f"DELETE FROM {STORED} AS s USING {ASKED} AS a WHERE {self._same('s', 'a')}",
        )

    def store(self, *, oldest: int, newest: int) -> None:
        """Add the asked rows; one with the identity of an earlier row replaces it.

        Args:
            oldest: Their smallest event time, in microseconds since 1970.
            newest: Their largest.
        """
        if oldest <= self._newest:
            self._delete.run()
        self._newest = max(self._newest, newest)
        self._arrival = next(self._arrivals)
        self._insert.run(str(self._arrival))

    def forget(self, added: int) -> None:
        """Drop rows out of reach, once enough rows were added.

        Args:
            added: Rows that were added since the last call.
        """
        self._fresh_rows += added
        if self._fresh_rows < ROWS_BEFORE_FORGETTING:
            return
        # The median of what came lately says what time it is: one absurd event time says nothing.
        self._connection.execute(
            f"DELETE FROM {STORED} WHERE {EVENT_TIME} < "
            f"(SELECT quantile_disc({EVENT_TIME}, 0.5) FROM {STORED} "
            f"WHERE {ARRIVAL} > {self._forgot_at}) - {interval(self._reach)}"
        )
        self._forgot_at, self._fresh_rows = self._arrival, 0

    def adopt(self, older: "RecentRows") -> None:
        """Take over the rows that requests have brought to an older release.

        Rows that are here already stay as they are.
        """
        if older.identity != self.identity:
            return  # the rows speak of other entities
        self._connection.register("brought", older.brought(self.asked.schema))
        self._connection.execute(
            f"INSERT INTO {STORED} BY NAME SELECT b.*, 0 AS {ARRIVAL} FROM brought AS b "
            f"ANTI JOIN {STORED} AS s ON {self._same('s', 'b')}"
        )
        self._connection.unregister("brought")
        self._newest = self._newest_stored()

    def brought(self, schema: pa.Schema) -> pa.Table:
        """Return the rows that requests have brought, in the columns shared with ``schema``."""
        shared = [name for name in self.asked.schema.names if name in schema.names]
        names = ", ".join(quoted(name) for name in dict.fromkeys([*shared, "known_at"]))
        return self._connection.sql(
            f"SELECT {names} FROM {STORED} WHERE {ARRIVAL} IS NOT NULL"
        ).to_arrow_table()

    def __len__(self) -> int:
        ((rows,),) = self._connection.execute(f"SELECT count(*) FROM {STORED}").fetchall()
        return rows

    def _create(self, contract: Contract, history: pa.Table) -> None:
        named = (*self.asked.schema.names, "known_at")
        missing = [name for name in named if name not in history.schema.names]
        if missing:
            message = f"{HISTORY_FILE} lacks the columns {missing}: rebuild the release."
            raise ArtefactError(message)
        columns = [
            *(f"{quoted(c.name)}::{c.sql_type} AS {quoted(c.name)}" for c in contract.columns),
            *(
                f"{name}::TIMESTAMPTZ AS {name}"
                for name in (EVENT_TIME, "known_at")
                if name not in contract.by_name
            ),
            f"NULL::BIGINT AS {ARRIVAL}",
        ]
        self._load(STORED, history, ", ".join(columns))
        self._connection.execute(
            f"CREATE VIEW {ALL_ROWS} AS SELECT * EXCLUDE ({ARRIVAL}) FROM {STORED}"
        )

    def _load(self, name: str, table: pa.Table, columns: str) -> None:
        self._connection.register("loading", table)
        self._connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT {columns} FROM loading")
        self._connection.unregister("loading")

    def _newest_stored(self) -> int:
        ((newest,),) = self._connection.execute(
            f"SELECT coalesce(epoch_us(max({EVENT_TIME})), {-(2**63)}) FROM {STORED}"
        ).fetchall()
        return newest

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(
            f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in self.identity
        )
