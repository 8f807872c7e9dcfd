"""Features of logged requests, computed once more through the batch path.

The rule of what a request sees is the log's own: the history of the release that answered, the
rows of all requests that stand in the log before it, and its own rows. Of rows with the same
identity the last one counts. Rows that came under an older revision of the deployment never
replace one of the release's history, which is newer knowledge.

Nothing of the server's own bookkeeping is used here: the rows are put together by set-based SQL,
and features.sql runs over all requests of a run at once (:mod:`ml_assets.core.arrivals`).
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Self

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.arrivals import arrival_runs
from ml_assets.core.entity_scope import keeps_to_entity
from ml_assets.core.feature_query import quoted
from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, show
from ml_assets.core.online_features import contract_of
from ml_assets.core.release import (
    HISTORY_FILE,
    LABELS_FILE,
    REFERENCES_FOLDER,
    RELEASE_FILE,
    SQL_FILE,
    Release,
)
from ml_assets.core.request_rows import EVENT_TIME
from ml_assets.core.window import Window

# Columns that a replay adds to the logged rows: their place in the log, and their request.
ARRIVAL, REQUEST, ASKED = "_arrival", "_request", "_asked"
MICROSECOND = timedelta(microseconds=1)


class Replay:
    """The batch path of one release.

    Args:
        files: Content of each file of the release, already verified.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.release = Release.from_json(json.loads(files[RELEASE_FILE]))
        self.contract = contract_of(files)
        self.query = self.release.query(files[SQL_FILE].decode())
        self._columns = tuple(dict.fromkeys([*self.contract.names, EVENT_TIME, "known_at"]))
        self._identity = ", ".join(map(quoted, self.query.identity))
        self._connection = duckdb.connect(":memory:", config={"enable_external_access": "false"})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._load("history", files[HISTORY_FILE])
        self._load(ALL_LABELS, files[LABELS_FILE])
        for name, content in files.items():
            if name.startswith(REFERENCES_FOLDER):
                self._load(name.removeprefix(REFERENCES_FOLDER).removesuffix(".parquet"), content)

    def features(self, logged: pa.Table, *, earlier: pa.Table) -> pd.DataFrame:
        """Return the features of the asked rows.

        Args:
            logged: Rows that the release answered under one revision, in the order of the log:
                the contract's columns, ``event_time``, ``_arrival`` and ``_request`` (numbers that
                grow with the order) and ``_asked`` (whether its features are wanted).
            earlier: Rows that older revisions answered, with ``_arrival``.

        Returns:
            One row an asked row that features.sql yields, with ``_arrival``; in no order.

        Raises:
            FeatureSqlError: If features.sql cannot be run over these rows.
        """
        self._hold(logged, earlier)
        runs = self._connection.execute("SELECT DISTINCT _run FROM logged WHERE _asked ORDER BY 1")
        frames = [
            self._run(f"_run <= {run}", f"_run = {run} AND _asked") for (run,) in runs.fetchall()
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({ARRIVAL: []})

    def features_of_request(self, arrival: int) -> pd.DataFrame:
        """Return the features of the one request that brought a row, asked alone.

        Args:
            arrival: ``_arrival`` of one of the rows of the last call of ``features``.
        """
        same = f"_request = (SELECT _request FROM logged WHERE _arrival = {arrival})"
        last = f"(SELECT max(_arrival) FROM logged WHERE {same})"
        return self._run(f"_arrival <= {last}", same, of_entities=False)

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _load(self, name: str, content: bytes) -> None:
        self._connection.register("loading", pq.read_table(pa.BufferReader(content)))
        self._connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM loading")
        self._connection.unregister("loading")

    def _hold(self, logged: pa.Table, earlier: pa.Table) -> None:
        connection = self._connection
        connection.register("given", logged)
        keys = ", ".join(quoted(key) for key in self.release.keys)
        self._apart = keeps_to_entity(self.query.sql, self.release.keys)
        entity = f"dense_rank() OVER (ORDER BY {keys})" if self._apart else "0"
        found = connection.execute(
            f"SELECT {entity} AS entity, _request, epoch_us(event_time) AS event_time "
            "FROM given ORDER BY _arrival"
        ).fetchnumpy()
        runs = arrival_runs(*(np.asarray(found[c]) for c in ("entity", REQUEST, EVENT_TIME)))
        connection.register("runs", pa.table({"_run": runs}))
        known = "" if "known_at" in logged.schema.names else f", {EVENT_TIME} AS known_at"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE logged AS SELECT *{known} FROM "
            "(SELECT * FROM given ORDER BY _arrival) POSITIONAL JOIN runs"
        )
        connection.register("given", earlier)
        known = "" if "known_at" in earlier.schema.names else f", {EVENT_TIME} AS known_at"
        columns = ", ".join(map(quoted, self._columns))
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE known AS SELECT {columns} FROM history "
            f"UNION ALL BY NAME SELECT {columns} FROM (SELECT *{known} FROM given "
            f"QUALIFY row_number() OVER (PARTITION BY {self._identity} ORDER BY _arrival DESC) = 1)"
            f" ANTI JOIN history USING ({self._identity})"
        )
        connection.unregister("given")
        connection.unregister("runs")

    def _run(self, arrived: str, asked: str, *, of_entities: bool = True) -> pd.DataFrame:
        """Return the features of the rows ``asked`` among what has ``arrived``."""
        connection, identity = self._connection, self._identity
        columns = ", ".join(map(quoted, self._columns))
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE asked AS SELECT {identity}, _arrival FROM logged "
            f"WHERE {asked}"
        )
        keys = ", ".join(quoted(key) for key in self.release.keys)
        only = f"SEMI JOIN asked USING ({keys})" if self._apart and of_entities else ""
        window = self._window()
        kept = window.widened(before=self.release.reach.rows)
        between = f"{EVENT_TIME} >= $1 AND {EVENT_TIME} < $2"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {ALL_ROWS} AS "
            f"WITH brought AS (SELECT * FROM logged WHERE {arrived} AND {between} QUALIFY "
            f"row_number() OVER (PARTITION BY {identity} ORDER BY _arrival DESC) = 1) "
            f"SELECT {columns} FROM (SELECT {columns} FROM brought UNION ALL "
            f"SELECT {columns} FROM known ANTI JOIN brought USING ({identity}) WHERE {between}) "
            f"{only} ORDER BY {EVENT_TIME}",
            [kept.start, kept.end],
        )
        show(connection, window, self.release.reach, known_by=window.end)
        text = self.query.among("asked")
        frame = run_features(connection, text, identity=self.query.identity).frame
        places = connection.execute("SELECT * FROM asked").df()
        places[EVENT_TIME] = places[EVENT_TIME].astype("datetime64[us, UTC]")
        return frame.merge(places, on=list(self.query.identity), validate="one_to_one")

    def _window(self) -> Window:
        ((first, last),) = self._connection.execute(
            f"SELECT min({EVENT_TIME}), max({EVENT_TIME}) FROM asked"
        ).fetchall()
        return Window(first, last + MICROSECOND)
