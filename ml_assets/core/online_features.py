"""Features of requests: the same SQL as the batch, over recent history in memory.

A request's rows join the history, so that the next request's lags see them. They stay as long as
the declared lookback can reach them. Where features.sql computes each row from itself alone and
no lookback is declared, nothing is stored.

Requests that are computed together get what they would get one after the other. A row's features
depend neither on rows that happen later, nor on a past beyond the declared lookback: the checks
``no_feature_sees_the_future`` and ``lookback_is_long_enough`` stop a problem whose features do.
So requests share one run of the SQL where each happened after the one before it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.arrow_columns import microseconds
from ml_assets.core.contract import Contract
from ml_assets.core.errors import FeatureSqlError, ServingError
from ml_assets.core.feature_order import in_order
from ml_assets.core.feature_query import FeatureQuery, literal, quoted
from ml_assets.core.feature_values import FeatureNames
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, History
from ml_assets.core.found_features import FoundFeatures
from ml_assets.core.prepared import Prepared
from ml_assets.core.recent_rows import ASKED, RecentRows
from ml_assets.core.release import (
    CONTRACT_FILE,
    HISTORY_FILE,
    LABELS_FILE,
    REFERENCES_FOLDER,
    SQL_FILE,
    Release,
)
from ml_assets.core.request_rows import EVENT_TIME, Fault, Refused, RequestRows
from ml_assets.core.row_bounds import RowBounds

MICROSECOND = timedelta(microseconds=1)
Outcome = TypeVar("Outcome")
# Gives an outcome for each request; that of a refused one is its refusal.
Answer = Callable[[FoundFeatures], Sequence[Outcome | Refused]]


class OnlineFeatures:
    """The history of one release in memory, and its features.sql. For one thread at a time.

    Args:
        query: features.sql.
        names: Which of its columns the model is given.
        contract: Columns of a request.
        reach: How far back the views go.
        history: Validated rows as a table: keys, ``event_time``, ``known_at``, the contract.
        labels: Past labels.
        references: Reference tables by name.
        bounds: How many rows are remembered at most.

    Raises:
        FeatureSqlError: If features.sql cannot be run over these tables.
    """

    def __init__(
        self,
        query: FeatureQuery,
        names: FeatureNames,
        contract: Contract,
        reach: History,
        *,
        history: pa.Table,
        labels: pa.Table,
        references: Mapping[str, pa.Table],
        bounds: RowBounds,
    ) -> None:
        self.query = query
        self.names = names
        self.reach = reach
        self._looks_back = reach.rows > timedelta(0)
        # features.sql came with the release: it may compute, and reach nothing outside.
        self._connection = duckdb.connect(
            ":memory:", config={"threads": "1", "enable_external_access": "false"}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self.recent = RecentRows(
            self._connection,
            contract,
            identity=query.identity,
            reach=reach.rows,
            history=history,
            labels=labels,
            references=references,
            bounds=bounds,
        )
        try:
            self._by_row = None if self._looks_back else self._prepared_by_row(contract)
            self._by_window = self._by_row or self._prepared_by_window()
        except duckdb.Error as error:
            self.close()
            message = f"features.sql cannot be run over the tables of the release: {error}"
            raise FeatureSqlError(message) from error

    @classmethod
    def of_files(cls, release: Release, files: Mapping[str, bytes]) -> Self:
        """Build from the files of a release.

        Raises:
            ArtefactError: If the history lacks a column of the contract.
            FeatureSqlError: If features.sql cannot be run over the release's tables.
        """
        tables = {
            name.removeprefix(REFERENCES_FOLDER).removesuffix(".parquet"): _table(content)
            for name, content in files.items()
            if name.startswith(REFERENCES_FOLDER)
        }
        return cls(
            release.query(files[SQL_FILE].decode()),
            release.feature_names,
            contract_of(files),
            release.reach,
            history=_table(files[HISTORY_FILE]),
            labels=_table(files[LABELS_FILE]),
            references=tables,
            bounds=release.recent_rows,
        )

    def compute(
        self, requests: Sequence[RequestRows], answer: Answer[Outcome], *, remember: bool
    ) -> list[Outcome | Refused]:
        """Return the answer to each request's features, as if they came one after the other.

        Args:
            requests: Rows of each request.
            answer: Gives an outcome for each request whose features it is given; a refusal is one
                too.
            remember: Whether the rows of answered requests stay in the history. A row with the
                identity of an earlier one replaces it. A refused request leaves no trace.
        """
        return [
            outcome
            for group in self._groups(requests, remember=remember)
            for outcome in self._answered(group, answer, remember=remember)
        ]

    def recall(self, rows: RequestRows, *, own: Sequence[bool]) -> None:
        """Take in rows that requests have brought before; see :meth:`RecentRows.recall`."""
        if self._looks_back:
            self.recent.recall(rows, own=own)

    def close(self) -> None:
        """Free the memory."""
        self._connection.close()

    def _prepared_by_row(self, contract: Contract) -> Prepared | None:
        """Prepare features.sql over the asked rows alone, if it computes row by row."""
        known = "" if "known_at" in contract.by_name else f", {EVENT_TIME} AS known_at"
        self._connection.execute(
            f"CREATE TEMP VIEW validated_data AS SELECT *{known} FROM {ASKED}; "
            f"CREATE TEMP VIEW labels AS SELECT * FROM {ALL_LABELS}"
        )
        # Rows come back in their order: what names them need not come with them.
        wanted = ", ".join(map(quoted, self.names.all)) or "1"
        text = f"SELECT {wanted} FROM (\n{self.query.everything()}\n)"
        prepared = Prepared(self._connection, "features_by_row", text)
        return prepared if prepared.row_by_row else None

    def _prepared_by_window(self) -> Prepared:
        start, end, start_of_labels = (f"${n}::TIMESTAMPTZ" for n in (1, 2, 3))
        moment = literal(datetime(2000, 1, 1))  # noqa: DTZ001
        return Prepared(
            self._connection,
            "features_by_window",
            f"WITH validated_data AS (SELECT * FROM {ALL_ROWS} "
            f"WHERE event_time >= {start} AND event_time < {end}), "
            f"labels AS (SELECT * FROM {ALL_LABELS} "
            f"WHERE event_time >= {start_of_labels} AND known_at <= {end})\n"
            f"{self.query.among(ASKED)}",
            parameters=(moment, moment, moment),
        )

    def _groups(
        self, requests: Sequence[RequestRows], *, remember: bool
    ) -> Iterator[Sequence[RequestRows]]:
        """Yield requests that may be computed together."""
        if self._by_row:
            yield requests
            return
        group: list[RequestRows] = []
        for rows in requests:
            if group and not (remember and min(rows.event_times) > max(group[-1].event_times)):
                yield group
                group = []
            group.append(rows)
        yield group

    def _answered(
        self, group: Sequence[RequestRows], answer: Answer[Outcome], *, remember: bool
    ) -> Sequence[Outcome | Refused]:
        try:
            outcomes = self._attempt(group, answer, remember=remember)
        except FeatureSqlError:
            if len(group) == 1:
                # The golden rows have shown that the SQL runs: these values are the cause. The
                # engine's text is left out, for it may name values of other rows.
                text = "The features of these rows cannot be computed: a value leads out of range."
                return [Refused(422, (Fault(None, None, "features", text),))]
        else:
            if len(group) == 1 or not self._stores(remember) or not _any_refused(outcomes):
                return outcomes
        # The rows of one request must neither fail nor reach those of another.
        return [
            outcome
            for rows in group
            for outcome in self._answered([rows], answer, remember=remember)
        ]

    def _attempt(
        self, group: Sequence[RequestRows], answer: Answer[Outcome], *, remember: bool
    ) -> Sequence[Outcome | Refused]:
        """Return the outcomes of a group, which is remembered if no request is refused."""
        self.recent.asked.hold(group)
        if self._by_row:
            columns = self._run(self._by_row, self.names.all)
            lengths = tuple(map(len, group))
            return answer(FoundFeatures(self.names.values(columns, sum(lengths)), lengths))
        kept = False
        self._connection.begin()
        try:
            columns = self._run_with_history(group)
            outcomes = answer(in_order(columns, group, self.query, self.names))
            kept = self._stores(remember) and not _any_refused(outcomes)
        finally:
            if kept:
                self._connection.commit()
            else:
                self._connection.rollback()
        if kept:
            self.recent.forget(sum(len(rows) for rows in group))
        return outcomes

    def _stores(self, remember: bool) -> bool:
        return remember and self._looks_back

    def _run_with_history(self, group: Sequence[RequestRows]) -> dict[str, np.ndarray]:
        oldest = min(min(rows.event_times) for rows in group)
        newest = max(max(rows.event_times) for rows in group)
        window = (oldest - self.reach.rows, newest + MICROSECOND, oldest - self.reach.labels)
        self.recent.store(oldest=microseconds(oldest), newest=microseconds(newest))
        wanted = (*self.query.identity, *self.names.all)
        return self._run(self._by_window, wanted, *map(literal, window))

    def _run(
        self, prepared: Prepared, wanted: Sequence[str], *parameters: str
    ) -> dict[str, np.ndarray]:
        try:
            found = prepared.run(*parameters).fetchnumpy()
        except duckdb.Error as error:
            message = f"features.sql failed on the rows of a request: {error}"
            raise FeatureSqlError(message) from error
        # Masked arrays stay what they are; an ENUM comes as a category of pandas.
        columns = {str(name): np.asanyarray(column) for name, column in found.items()}
        missing = [name for name in wanted if name not in columns]
        if missing:
            message = f"features.sql does not give the columns {missing}: rebuild the release."
            raise ServingError(message)
        return columns


def _any_refused(outcomes: Sequence[object]) -> bool:
    return any(isinstance(outcome, Refused) for outcome in outcomes)


def contract_of(files: Mapping[str, bytes]) -> Contract:
    """Return the contract of a release's requests."""
    return Contract.from_json(json.loads(files[CONTRACT_FILE]))


def _table(content: bytes) -> pa.Table:
    # pyarrow's read_table imports its datasets, and these import pandas.
    return pq.ParquetFile(pa.BufferReader(content)).read()
