"""Dagster's SQLite storage, writing the events of a range of partitions together.

A run over a year of daily partitions reports an event for each asset and partition. Dagster hands
them over in batches, but its SQLite storage writes them one by one, each with two connections,
two commits and newly compiled SQL: most of such a run's time. Its Postgres storage writes batches
together; this does the same for SQLite.
"""

import os
from collections.abc import Sequence

import dagster as dg
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData

# Dagster batches nothing unless this variable says how many events make a batch.
BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = "1000"
WRITTEN_TOGETHER = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_OBSERVATION,
}


class BatchingEventLogStorage(SqliteEventLogStorage):
    """An event log that writes a batch in one transaction of the run's file and one of the index's.

    The tables and what stands in them are those of :class:`SqliteEventLogStorage`.
    """

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run.

        Events of other kinds than those of assets are stored one by one, as they always are.
        """
        together = [event for event in events if event.dagster_event_type in WRITTEN_TOGETHER]
        for event in events:
            if event.dagster_event_type not in WRITTEN_TOGETHER:
                self.store_event(event)
        if not together:
            return
        rows = [self._event_to_row(event) for event in together]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(together[0].run_id) as connection:
            connection.execute(insert, rows)
        identifier = SqlEventLogStorageTable.c.id
        with self.index_transaction() as connection:
            found = connection.execute(
                insert.returning(identifier, sort_by_parameter_order=True), rows
            )
            ids = [row[0] for row in found.fetchall()]
            self._store_asset_event_tags(connection, together, ids)
            for event, number in _last_of_each_asset(together, ids):
                self._store_asset_event(connection, event, number)


class BatchingSqliteStorage(DagsterSqliteStorage):
    """Runs, events and schedules below one folder, the events in batches.

    Args:
        base_dir: The folder.
        inst_data: What ``dagster.yaml`` said, as Dagster hands it over.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data=inst_data)
        os.environ.setdefault(BATCH_SIZE_VARIABLE, BATCH_SIZE)
        events = self._event_log_storage._base_dir  # noqa: SLF001
        self._event_log_storage = BatchingEventLogStorage(events)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig
    ) -> "BatchingSqliteStorage":
        """Build from the ``config`` of ``dagster.yaml``."""
        return cls.from_local(inst_data=inst_data, **config_value)


def _last_of_each_asset(
    events: Sequence[EventLogEntry], ids: Sequence[int]
) -> list[tuple[EventLogEntry, int]]:
    """Return the last event of each asset and kind: the index keeps no more of them."""
    last: dict[tuple[dg.AssetKey | None, DagsterEventType | None], tuple[EventLogEntry, int]] = {}
    for event, number in zip(events, ids, strict=True):
        last[event.get_dagster_event().asset_key, event.dagster_event_type] = event, number
    return list(last.values())
