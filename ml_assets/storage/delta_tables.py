"""Delta tables under one root: opened by name, created when new, committed until it holds."""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ml_assets.core.errors import LakeError
from ml_assets.storage.lake_rows import PARTITION

COMMIT_ATTEMPTS = 12
TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9][A-Za-z0-9_-]*")
# Every version stays readable until it is vacuumed: a model of last year is rebuilt from it.
KEEP_LOG = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
}


class DeltaTables:
    """What the lake needs of delta-rs.

    Args:
        root: Folder, or URL of an object store.
        storage_options: What delta-rs needs to reach the object store.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.storage_options = dict(storage_options or {})

    @property
    def folder(self) -> Path | None:
        """The root as a local folder, or None if it is an object store.

        Raises:
            LakeError: If its path has a character that delta-rs or DuckDB read as something else.
        """
        parts = urlsplit(self.root)
        if "://" in self.root and parts.scheme != "file":
            return None
        path = Path(unquote(parts.path)) if "://" in self.root else Path(self.root)
        if found := sorted(set("%[]*?") & set(str(path.absolute()))):
            message = f"The lake's folder {path} has {' '.join(found)} in its path: choose another."
            raise LakeError(message)
        return path.absolute()

    def uri(self, table: str) -> str:
        """Return where ``table`` is.

        Raises:
            LakeError: If the name could lead out of the lake, or into another table.
        """
        if not TABLE_NAME.fullmatch(table):
            message = (
                f"{table!r} is no name of a table. Write <problem>/<table>, each of letters, "
                "digits, '_' and '-', such as 'plant/raw_data'."
            )
            raise LakeError(message)
        folder = self.folder
        return f"{self.root.rstrip('/')}/{table}" if folder is None else str(folder / table)

    def open(self, table: str, *, version: int | None = None) -> DeltaTable | None:
        """Return ``table`` at a version, or None if it was never written."""
        uri = self.uri(table)
        try:
            handle = DeltaTable(uri, storage_options=self.storage_options)
        except TableNotFoundError:
            return None
        if version is None:
            return handle
        if not 0 <= version <= handle.version():
            message = (
                f"{table!r} has versions 0 to {handle.version()}; version {version} was asked for."
            )
            raise LakeError(message)
        with self.explained(table, f"read at version {version}"):
            handle.load_as_version(version)
        return handle

    def need(self, table: str) -> DeltaTable:
        """Return ``table`` as it is now.

        Raises:
            LakeError: If it was never written.
        """
        handle = self.open(table)
        if handle is None:
            raise self.missing(table)
        return handle

    def missing(self, table: str) -> LakeError:
        """Return the error for a table that was never written."""
        return LakeError(
            f"{table!r} is not in the lake {self.root}. Materialise the asset {table}."
        )

    def commit(
        self, table: str, write: Callable[[DeltaTable], None], *, schema: pa.Schema | None = None
    ) -> int:
        """Run ``write`` on the newest version until it wins, and return the version it made.

        Args:
            table: Name of the table.
            write: Makes one commit; it is called again after a conflict.
            schema: Columns of the table if it is new.

        Raises:
            LakeError: If ``write`` fails, or loses every time.
        """
        conflict: DeltaError | None = None
        for attempt in range(COMMIT_ATTEMPTS):
            with self.explained(table, "written"):
                try:
                    handle = self.open(table) or self._create(table, schema)
                    write(handle)
                    return handle.version()
                except CommitFailedError as error:
                    conflict = error
            # Jitter, so that two writers do not meet again.
            time.sleep(random.uniform(0.5, 1.5) * min(0.01 * 2**attempt, 1.0))  # noqa: S311
        message = (
            f"{table!r} was changed by other writers during each of {COMMIT_ATTEMPTS} attempts to "
            f"commit. Run it again, with fewer writers on the same dates. Last: {conflict}"
        )
        raise LakeError(message) from conflict

    def _create(self, table: str, schema: pa.Schema | None) -> DeltaTable:
        if schema is None:
            raise self.missing(table)
        uri = self.uri(table)
        # Without retries: a create that lost the race must not be committed over the winner's.
        DeltaTable.create(
            uri,
            schema,
            mode="ignore",
            commit_properties=CommitProperties(max_commit_retries=0),
            partition_by=[PARTITION] if PARTITION in schema.names else None,
            configuration=KEEP_LOG,
            storage_options=self.storage_options,
        )
        return DeltaTable(uri, storage_options=self.storage_options)

    def append(self, handle: DeltaTable, rows: pa.Table) -> None:
        """Commit ``rows`` beside those that are there."""
        write_deltalake(handle, rows.to_reader(), mode="append", schema_mode=_growth(handle, rows))

    def overwrite(self, handle: DeltaTable, rows: pa.Table, *, where: str | None) -> None:
        """Commit ``rows`` in the place of those that ``where`` selects, None for all.

        When all that was there goes, the types of its columns may change, too.
        """
        write_deltalake(
            handle,
            rows.to_reader(),
            mode="overwrite",
            partition_by=handle.metadata().partition_columns or None,
            schema_mode="overwrite" if where is None else _growth(handle, rows),
            predicate=where,
        )

    @contextmanager
    def explained(self, table: str, done: str) -> Iterator[None]:
        """Turn an error of delta-rs into one that names the table."""
        try:
            yield
        except (DeltaError, OSError) as error:
            message = f"{table!r} in the lake {self.root} could not be {done}. {error}"
            if "failed validation check" in str(error):
                message += "\nThese rows lie outside the range that was to be replaced: widen it."
            raise LakeError(message) from error


def _growth(handle: DeltaTable, rows: pa.Table) -> Literal["merge"] | None:
    # Merging writes metadata, which would set all concurrent writers back: only if it must be.
    return "merge" if set(rows.schema.names) - set(pa.schema(handle.schema()).names) else None
