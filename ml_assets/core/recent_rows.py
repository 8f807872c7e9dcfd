"""The rows that features may look back on: those of the release, and those of recent requests."""

from collections.abc import Mapping, Sequence
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
from ml_assets.core.request_rows import EVENT_TIME, RequestRows
from ml_assets.core.row_bounds import RowBounds

ASKED = "asked"
STORED = "stored_rows"
# Number of the run that brought a row; NULL for rows of the release.
ARRIVAL = "_arrival"
# Number of rows that came under an older revision.
RECALLED = -1
# Rows are kept for so many lookbacks: one for the features, one for rows that come late.
KEPT_LOOKBACKS = 2
# Rows that requests may add before those out of reach are dropped: each drop copies the table.
ROWS_BEFORE_FORGETTING = 4096


class RecentRows:
    """Tables of a release in a DuckDB connection, to which requests add rows.

    Args:
        connection: Where the tables are created; ``asked`` is registered there too.
        contract: Columns of a request.
        identity: Columns that name one row.
        reach: How far back a row may look; a row that comes late by no more than this finds its
            whole past, older rows are forgotten.
        history: Validated rows as a table: keys, ``event_time``, ``known_at``, the contract.
        labels: Past labels.
        references: Reference tables by name.
        bounds: How many rows are held at most.

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
        bounds: RowBounds,
    ) -> None:
        self.asked = AskedRows(contract)
        self.identity = identity
        self._connection = connection
        self._reach = reach
        self._bounds = bounds
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
            f"WHERE {ARRIVAL} > {self._forgot_at}) - {interval(KEPT_LOOKBACKS * self._reach)}"
        )
        self._forgot_at, self._fresh_rows = self._arrival, 0
        if len(self) > min(self._bounds.per_entity, self._bounds.in_all):
            self._drop_oldest()

    def recall(self, rows: RequestRows, *, own: Sequence[bool]) -> None:
        """Take in rows that requests have brought before, as the log holds them.

        Args:
            rows: The rows in the order in which they came; of an identity the last one counts.
            own: Whether this release answered the row, under its present revision: it replaces a
                row of the release then. A row that came before never does.
        """
        self.asked.hold([rows])
        identity = ", ".join(map(quoted, self.identity))
        known = "" if "known_at" in self.asked.schema.names else f", {EVENT_TIME} AS known_at"
        self._connection.register("flags", pa.table({"_own": list(own)}))
        self._connection.begin()
        self._connection.execute(
            f"CREATE TEMP TABLE recalled AS SELECT *{known} FROM {ASKED} POSITIONAL JOIN flags"
        )
        for flag, replaced in (("_own", "true"), ("NOT _own", f"s.{ARRIVAL} = {RECALLED}")):
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE newest AS SELECT * EXCLUDE (_own) FROM recalled "
                f"WHERE {flag} QUALIFY row_number() OVER "
                f"(PARTITION BY {identity} ORDER BY rowid DESC) = 1"
            )
            self._connection.execute(
                f"DELETE FROM {STORED} AS s USING newest AS n "
                f"WHERE {self._same('s', 'n')} AND {replaced}"
            )
            self._connection.execute(
                f"INSERT INTO {STORED} BY NAME SELECT n.*, "
                f"{self._arrival if flag == '_own' else RECALLED} AS {ARRIVAL} FROM newest AS n "
                f"ANTI JOIN {STORED} AS s ON {self._same('s', 'n')}"
            )
        self._connection.execute("DROP TABLE recalled; DROP TABLE newest")
        self._connection.commit()
        self._connection.unregister("flags")
        self._newest = self._newest_stored()

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

    def _drop_oldest(self) -> None:
        """Keep memory bounded, whatever comes: the oldest rows go first."""
        keys = ", ".join(quoted(name) for name in self.identity if name != EVENT_TIME)
        per_entity = f"row_number() OVER (PARTITION BY {keys or 'NULL'} ORDER BY {EVENT_TIME} DESC)"
        self._connection.execute(
            f"DELETE FROM {STORED} WHERE rowid IN (SELECT rowid FROM {STORED} "
            f"QUALIFY {per_entity} > {self._bounds.per_entity} "
            f"OR row_number() OVER (ORDER BY {EVENT_TIME} DESC) > {self._bounds.in_all})"
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
