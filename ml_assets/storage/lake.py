"""The lake: versioned tables, replaced a range at a time, by many writers at once.

Tables are Delta tables, written by delta-rs; DuckDB computes over their files.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from ml_assets.storage.deleted import Deleted
from ml_assets.storage.delta_tables import DeltaTables
from ml_assets.storage.lake_rows import PARTITION, Rows, fitted, replayable
from ml_assets.storage.lake_views import quoted, show_files, show_nothing, show_object_store

LOG = "_delta_log"


@dataclass(frozen=True)
class Commit:
    """One version of a table: its number, its moment in UTC and what was done."""

    version: int
    at: datetime
    operation: str


class Lake:
    """All tables under one root.

    Args:
        root: Folder, or URL of an object store such as ``s3://bucket/lake``.
        storage_options: What delta-rs needs to reach the object store.
    """

    def __init__(self, root: str, *, storage_options: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._tables = DeltaTables(root, storage_options)

    def exists(self, table: str) -> bool:
        """Say whether ``table`` was ever written."""
        return self._tables.open(table) is not None

    def tables(self, problem: str, *, known: Collection[str]) -> list[str]:
        """Return the names of a problem's tables, without the problem's.

        Args:
            problem: Name of the problem.
            known: Names to ask for in an object store, where a listing would read every file.
        """
        if self._tables.folder is not None:
            logs = (self._tables.folder / problem).glob(f"*/{LOG}")
            return sorted(log.parent.name for log in logs)
        return sorted(name for name in known if self.exists(f"{problem}/{name}"))

    def version(self, table: str) -> int | None:
        """Return the newest version of ``table``, or None if it was never written."""
        handle = self._tables.open(table)
        return None if handle is None else handle.version()

    def replace(
        self,
        table: str,
        rows: Rows,
        *,
        dates: tuple[date, date] | None = None,
        predicate: str | None = None,
    ) -> int:
        """Replace a range of ``table`` by ``rows``, which may be none, in one commit.

        Args:
            table: Name of the table; it is created if it is new.
            rows: All rows of the range. Columns the table lacks are added to it.
            dates: First and one past the last ``_date`` of the range; None for all dates.
            predicate: Further SQL condition on the range, such as hours on ``_time``.

        Returns:
            The new version.

        Raises:
            LakeError: If a row lies outside the range, a column has another type than before, or
                other writers got in between every time.
        """
        conditions = [] if predicate is None else [f"({predicate})"]
        if dates is not None:
            start, end = (day.isoformat() for day in dates)
            conditions.insert(0, f"{PARTITION} >= '{start}' AND {PARTITION} < '{end}'")
        where = " AND ".join(conditions) or None
        with replayable(table, rows) as again:

            def write(handle: DeltaTable) -> None:
                new = again if where is None else fitted(table, again, handle)
                self._tables.overwrite(handle, new, where=where)

            return self._tables.commit(table, write, schema=again.schema)

    def append(self, table: str, rows: Rows) -> int:
        """Add ``rows`` to ``table``, which is created if it is new, and return the new version."""
        with replayable(table, rows) as again:

            def write(handle: DeltaTable) -> None:
                self._tables.append(handle, fitted(table, again, handle))

            return self._tables.commit(table, write, schema=again.schema)

    def register(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: str,
        *,
        name: str,
        version: int | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Create the temporary view ``name`` over ``table`` in ``connection``.

        Args:
            connection: Where the view goes.
            table: Name of the table.
            name: Name of the view; one of this name is replaced.
            version: Version of the table, None for the newest.
            columns: SQL type by name, for an empty view if the table was never written.

        Raises:
            LakeError: If the table or this version of it is not there.
        """
        handle = self._tables.open(table, version=version)
        if handle is None:
            if columns is None or version is not None:
                raise self._tables.missing(table)
            show_nothing(connection, name, columns)
        elif self._tables.folder is None:
            show_object_store(connection, name, handle)
        else:
            show_files(connection, name, handle, self._tables.folder / table)

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        columns: Sequence[str] | None = None,
        where: str | None = None,
    ) -> pa.Table:
        """Return rows of a small table in memory, in no order.

        Args:
            table: Name of the table.
            version: Version of the table, None for the newest.
            columns: Columns to read, None for all.
            where: SQL condition on the rows.
        """
        chosen = "*" if columns is None else ", ".join(map(quoted, columns))
        condition = "" if where is None else f"WHERE {where}"
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone='UTC'")
            self.register(connection, table, name="lake_table", version=version)
            return connection.sql(f"SELECT {chosen} FROM lake_table {condition}").to_arrow_table()

    def history(self, table: str) -> list[Commit]:
        """Return all versions of ``table``, newest first."""
        return [
            Commit(
                commit["version"],
                datetime.fromtimestamp(commit["timestamp"] / 1000, tz=UTC),
                commit["operation"],
            )
            for commit in self._tables.need(table).history()
        ]

    def compact(self, table: str, before: date) -> int:
        """Merge the small files of each date before ``before`` and return the version.

        Rows stay the same, and older versions keep their files. A table without dates is left.
        """

        def merge(handle: DeltaTable) -> None:
            if PARTITION in handle.metadata().partition_columns:
                handle.optimize.compact(partition_filters=[(PARTITION, "<", before.isoformat())])

        self._tables.need(table)
        return self._tables.commit(table, merge)

    def vacuum(
        self,
        table: str,
        keep_versions: Collection[int],
        *,
        older_than: timedelta = timedelta(days=1),
    ) -> Deleted:
        """Delete the files that neither a kept version nor the newest one names.

        Args:
            table: Name of the table.
            keep_versions: Versions that must stay readable, as far as the table has them.
            older_than: Files that came or were replaced later stay, in whole hours: a writer may
                be about to commit them, a reader may hold the version before.
        """
        handle = self._tables.need(table)
        sizes = self._sizes(table)
        with self._tables.explained(table, "vacuumed"):
            gone = handle.vacuum(
                retention_hours=-(-older_than // timedelta(hours=1)),
                enforce_retention_duration=False,
                dry_run=False,
                full=True,
                keep_versions=sorted({v for v in keep_versions if v <= handle.version()}),
            )
        size = None if sizes is None else sum(sizes.get(unquote(path), 0) for path in gone)
        return Deleted(len(gone), size)

    def _sizes(self, table: str) -> dict[str, int] | None:
        """Return the bytes of each file of ``table`` by its path in it, if it is on a disk."""
        if self._tables.folder is None:
            return None
        folder = self._tables.folder / table
        files = (path for path in folder.rglob("*.parquet") if path.parent.name != LOG)
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
