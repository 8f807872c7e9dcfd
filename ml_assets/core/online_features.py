"""Features of a request's rows: the same SQL as the batch, over recent history in memory.

A request's rows join the history, so that the next request's lags see them. They stay as long as
the declared lookback can reach them.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.contract import Contract, Kind
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_query import FeatureQuery, FeatureRows, interval, quoted, run_features
from ml_assets.core.release import (
    CONTRACT_FILE,
    HISTORY_FILE,
    LABELS_FILE,
    REFERENCES_FOLDER,
    SQL_FILE,
    Release,
)
from ml_assets.core.request_schema import EVENT_TIME, RequestRows
from ml_assets.core.time_travel import ALL_LABELS, ALL_ROWS, History, show
from ml_assets.core.window import Window

ASKED = "asked"
STORED = "stored_rows"
# Number of the request that brought a row; NULL for rows of the release.
ARRIVAL = "_arrival"
# Rows that requests may add before those out of reach are dropped: each drop copies the table.
ROWS_BEFORE_FORGETTING = 4096
MICROSECOND = timedelta(microseconds=1)

_ARROW_TYPES: Mapping[Kind, pa.DataType] = {
    "float": pa.float64(),
    "integer": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", "UTC"),
}


class OnlineFeatures:
    """The history of one release in memory, and its features.sql. For one thread at a time.

    Args:
        query: features.sql.
        contract: Columns of a request.
        reach: How far back the views go.
        history: Validated rows as a table: keys, ``event_time``, ``known_at``, the contract.
        labels: Past labels.
        references: Reference tables by name.
    """

    def __init__(
        self,
        query: FeatureQuery,
        contract: Contract,
        reach: History,
        *,
        history: pa.Table,
        labels: pa.Table,
        references: Mapping[str, pa.Table],
    ) -> None:
        self.query = query
        self.contract = contract
        self.reach = reach
        self._arrivals = count(1)
        self._forgot_at = 0
        self._fresh_rows = 0
        types = {column.name: _ARROW_TYPES[column.kind] for column in contract.columns}
        self._schema = pa.schema({**types, EVENT_TIME: _ARROW_TYPES["datetime"]})
        # features.sql came with the release: it may compute, and reach nothing outside.
        self._connection = duckdb.connect(
            ":memory:", config={"threads": "1", "enable_external_access": "false"}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._create(history, labels, references)

    @classmethod
    def of_files(cls, release: Release, files: Mapping[str, bytes]) -> Self:
        """Build from the files of a release.

        Raises:
            ArtefactError: If the history lacks a column of the contract.
        """
        tables = {
            name.removeprefix(REFERENCES_FOLDER).removesuffix(".parquet"): _table(content)
            for name, content in files.items()
            if name.startswith(REFERENCES_FOLDER)
        }
        return cls(
            release.query(files[SQL_FILE].decode()),
            contract_of(files),
            release.reach,
            history=_table(files[HISTORY_FILE]),
            labels=_table(files[LABELS_FILE]),
            references=tables,
        )

    def compute(self, rows: RequestRows, *, remember: bool) -> FeatureRows:
        """Return the features of ``rows``, sorted as ``run_features`` sorts.

        Args:
            rows: Rows of a request.
            remember: Whether the rows stay in the history. A row with the identity of an earlier
                one replaces it.

        Raises:
            FeatureSqlError: If features.sql fails on these rows; none of them is kept then.
        """
        arrival = next(self._arrivals)
        window = Window(min(rows.event_times), max(rows.event_times) + MICROSECOND)
        self._connection.execute("BEGIN")
        kept = False
        try:
            self._connection.register(ASKED, self._arrow(rows))
            self._store(arrival)
            show(self._connection, window, self.reach, known_by=window.end)
            found = run_features(
                self._connection, self.query.among(ASKED), identity=self.query.identity
            )
            kept = remember and self.reach.rows > timedelta(0)
        finally:
            self._connection.execute("COMMIT" if kept else "ROLLBACK")
        if kept:
            self._fresh_rows += len(rows)
            self._forget(arrival)
        return found

    def adopt(self, older: "OnlineFeatures") -> None:
        """Take over the rows that requests have brought to an older release.

        Rows that the newer history holds already stay as they are there.
        """
        if older.query.keys != self.query.keys:
            return  # the rows speak of other entities
        self._connection.register("brought", older.brought(self._schema))
        self._connection.execute(
            f"INSERT INTO {STORED} BY NAME SELECT b.*, 0 AS {ARRIVAL} FROM brought AS b "
            f"ANTI JOIN {STORED} AS s ON {self._same('s', 'b')}"
        )
        self._connection.unregister("brought")

    def brought(self, schema: pa.Schema) -> pa.Table:
        """Return the rows that requests have brought, in the columns shared with ``schema``."""
        shared = [field.name for field in self._schema if field in list(schema)]
        names = ", ".join(quoted(name) for name in dict.fromkeys([*shared, "known_at"]))
        return self._connection.sql(
            f"SELECT {names} FROM {STORED} WHERE {ARRIVAL} IS NOT NULL"
        ).to_arrow_table()

    @property
    def remembered(self) -> int:
        """Rows in memory, those of the release and those that requests brought."""
        found = self._connection.execute(f"SELECT count(*) FROM {STORED}").fetchone()
        return int(found[0]) if found else 0

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()

    def _create(
        self, history: pa.Table, labels: pa.Table, references: Mapping[str, pa.Table]
    ) -> None:
        missing = [
            name for name in (*self._schema.names, "known_at") if name not in history.schema.names
        ]
        if missing:
            message = f"{HISTORY_FILE} lacks the columns {missing}: rebuild the release."
            raise ArtefactError(message)
        columns = [
            *(f"{quoted(c.name)}::{c.sql_type} AS {quoted(c.name)}" for c in self.contract.columns),
            *(
                f"{name}::TIMESTAMPTZ AS {name}"
                for name in (EVENT_TIME, "known_at")
                if name not in self.contract.by_name
            ),
            f"NULL::BIGINT AS {ARRIVAL}",
        ]
        self._load(STORED, history, ", ".join(columns))
        self._load(ALL_LABELS, labels, "*")
        for name, table in references.items():
            self._load(name, table, "*")
        self._connection.execute(
            f"CREATE VIEW {ALL_ROWS} AS SELECT * EXCLUDE ({ARRIVAL}) FROM {STORED}"
        )

    def _load(self, name: str, table: pa.Table, columns: str) -> None:
        self._connection.register("loading", table)
        self._connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT {columns} FROM loading")
        self._connection.unregister("loading")

    def _arrow(self, rows: RequestRows) -> pa.Table:
        values = {**rows.columns, EVENT_TIME: rows.event_times}
        return pa.table({name: values[name] for name in self._schema.names}, schema=self._schema)

    def _store(self, arrival: int) -> None:
        self._connection.execute(
            f"DELETE FROM {STORED} AS s USING {ASKED} AS a WHERE {self._same('s', 'a')}"
        )
        known = "" if "known_at" in self.contract.by_name else f", {EVENT_TIME} AS known_at"
        self._connection.execute(
            f"INSERT INTO {STORED} BY NAME SELECT *{known}, {arrival} AS {ARRIVAL} FROM {ASKED}"
        )

    def _same(self, left: str, right: str) -> str:
        names: Sequence[str] = self.query.identity
        return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in names)

    def _forget(self, arrival: int) -> None:
        if self._fresh_rows < ROWS_BEFORE_FORGETTING:
            return
        # The median of what came lately says what time it is: one absurd event time says nothing.
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {STORED} AS SELECT * FROM {STORED} WHERE {EVENT_TIME} >= "
            f"(SELECT quantile_disc({EVENT_TIME}, 0.5) FROM {STORED} "
            f"WHERE {ARRIVAL} > {self._forgot_at}) - {interval(self.reach.rows)} "
            f"ORDER BY {EVENT_TIME}"
        )
        self._forgot_at, self._fresh_rows = arrival, 0


def contract_of(files: Mapping[str, bytes]) -> Contract:
    """Return the contract of a release's requests."""
    return Contract.from_json(json.loads(files[CONTRACT_FILE]))


def _table(content: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(content))
