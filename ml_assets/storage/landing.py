"""Rows from a source into the lake, as text: each content once, each restatement in its place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from ml_assets.core.errors import SourceError, UnreadableFileError
from ml_assets.core.problem import AddressSource, EventTime, FilesSource, Source
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.window import Window, floor, following
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.exclusive import alone
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.files import FileRecord
from ml_assets.storage.placement import place
from ml_assets.storage.sources import FileSource, FoundFile, RowSource, open_source, rows_digest
from ml_assets.storage.workspace import Workspace

LANDED = "landed"
INCOMING = "incoming"
ID_LENGTH = 16


@dataclass(frozen=True)
class Stream:
    """Rows of one kind on their way into the lake.

    Attributes:
        table: Where they land: ``raw_data`` or ``raw_labels``.
        source: Where they come from.
        time: How their event time is read.
        columns: Columns to keep, as text.
    """

    table: str
    source: Source
    time: EventTime
    columns: tuple[str, ...]

    @property
    def comes_in_files(self) -> bool:
        """Whether the source is files that are read once, and not asked for each window."""
        return isinstance(self.source, FilesSource | AddressSource)

    def files(self, workspace: Workspace) -> FileSource:
        """Return the reader of a source of files."""
        opened = self._opened(workspace)
        if not isinstance(opened, FileSource):
            message = f"{self.table} does not come in files: ask for the rows of a window."
            raise SourceError(message)
        return opened

    def rows(self, workspace: Workspace) -> RowSource:
        """Return the reader of a source that is asked for windows."""
        opened = self._opened(workspace)
        if isinstance(opened, FileSource):
            message = f"{self.table} comes in files: land them first."
            raise SourceError(message)
        return opened

    def _opened(self, workspace: Workspace) -> FileSource | RowSource:
        wanted = source_columns(self.time, self.columns)
        return open_source(self.source, root=Path.cwd(), cache=workspace.cache, columns=wanted)


def rows_stream(declared: DeclaredProblem) -> Stream:
    """Return the stream of the problem's rows."""
    problem = declared.problem
    return Stream("raw_data", problem.source, problem.time, declared.contract.contract.names)


def new_files(
    workspace: Workspace, declared: DeclaredProblem, stream: Stream
) -> tuple[FoundFile, ...]:
    """Return the files of a source whose content was not read yet, in the order of their names."""
    known = workspace.files.known(declared.problem.name, stream.table)
    return tuple(
        file
        for file in stream.files(workspace).found()
        if file.name not in known or known[file.name].digest != file.digest
    )


def land_files(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stream: Stream,
    *,
    now: datetime,
) -> tuple[FileRecord, ...]:
    """Read the files whose content is new and put their rows into the lake in one commit.

    A file that changed replaces its earlier rows, unless a copy of what it was still lies beside
    it; a copy adds no rows. A file that cannot be read is set aside with the reason; the others go
    on. Nothing happens when no content is new.

    Returns:
        What became of each new file.
    """
    with alone(workspace.home / "locks" / declared.problem.name / stream.table):
        files = new_files(workspace, declared, stream)
        if not files:
            return ()
        known = workspace.files.known(declared.problem.name, stream.table)
        offset = sum(record.rows or 0 for record in known.values())
        replaced = [known.pop(file.name) for file in files if file.name in known]
        held = {record.digest: record for record in known.values() if record.status == "landed"}
        records, read = [], []
        for file in files:
            if file.digest in held:
                records.append(replace(held[file.digest], path=file.name, at=now))
                continue
            record = _read(connection, workspace, declared, stream, file, now=now, offset=offset)
            offset += record.rows or 0
            records.append(record)
            read.append(record)
            if record.status == "landed":
                held[file.digest] = record
        gone = [record for record in replaced if record.digest not in held]
        _merge(connection, workspace, declared, stream, records=read, replaced=gone)
        workspace.files.record(declared.problem.name, *records, source=stream.table)
        return tuple(records)


def land_window(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stream: Stream,
    window: Window,
    *,
    now: datetime,
) -> int:
    """Ask a source for the rows of a window, put them in the lake and return how many there are."""
    rows = stream.rows(workspace).rows(window)
    connection.register(INCOMING, rows)
    select = landing_sql(
        INCOMING,
        time=stream.time,
        partitions=declared.problem.partitions,
        columns=stream.columns,
        file=rows_digest(rows),
        arrived_at=now,
        fallback=window.start,
    )
    placement = place(declared.problem, window, moment="_time")
    landed = connection.sql(select).to_arrow_table()
    workspace.lake.replace(
        table_name(declared, stream.table),
        landed,
        dates=placement.dates,
        predicate=placement.predicate,
    )
    connection.unregister(INCOMING)
    return len(landed)


def _read(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stream: Stream,
    file: FoundFile,
    *,
    now: datetime,
    offset: int,
) -> FileRecord:
    """Append the rows of one file to the table of what landed, or say why it is set aside."""
    problem = declared.problem
    try:
        stream.files(workspace).read_file(connection, file, name=INCOMING)
    except UnreadableFileError as error:
        return FileRecord(file.name, file.digest, "set_aside", str(error), None, None, None, now)
    select = landing_sql(
        INCOMING,
        time=stream.time,
        partitions=problem.partitions,
        columns=stream.columns,
        file=file.digest,
        arrived_at=now,
        fallback=problem.partitions.start,
        row_offset=offset,
    )
    connection.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS {LANDED} AS SELECT * FROM ({select}) LIMIT 0"
    )
    connection.execute(f"INSERT INTO {LANDED} {select}")
    connection.execute(f"DROP TABLE {INCOMING}")
    rows, first, last = connection.execute(
        f"SELECT count(*), min(_time), max(_time) FROM {LANDED} WHERE _file = ?",
        [file.digest[:ID_LENGTH]],
    ).fetchall()[0]
    return FileRecord(file.name, file.digest, "landed", None, rows, first, last, now)


def _merge(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stream: Stream,
    *,
    records: Sequence[FileRecord],
    replaced: Sequence[FileRecord],
) -> None:
    """Replace the dates that new or replaced files touch by all rows that belong there now."""
    touched = touched_window(declared, [*records, *replaced])
    if touched is None:
        return
    name = table_name(declared, stream.table)
    placement = place(declared.problem, touched, moment="_time")
    gone = [record.digest[:ID_LENGTH] for record in (*records, *replaced)]
    kept = ""
    if workspace.lake.exists(name):
        workspace.lake.register(connection, name, name="before")
        ids = ", ".join(f"'{digest}'" for digest in gone)
        kept = (
            f"UNION ALL BY NAME SELECT * FROM before WHERE {placement.where} "
            f"AND _file NOT IN ({ids})"
        )
    # Nothing has landed if all new contents were set aside, yet their earlier rows must go.
    landed = LANDED if any(record.status == "landed" for record in records) else "before"
    restriction = "" if landed == LANDED else "LIMIT 0"
    rows = connection.sql(
        f"SELECT * FROM (SELECT * FROM {landed} {restriction}) {kept} ORDER BY _time, _file, _row"
    ).to_arrow_table()
    workspace.lake.replace(name, rows, dates=placement.dates, predicate=placement.predicate)
    connection.execute(f"DROP TABLE IF EXISTS {LANDED}")


def touched_window(declared: DeclaredProblem, records: Sequence[FileRecord]) -> Window | None:
    """Return the whole partitions between the first and the last row of some files."""
    times = [
        moment
        for record in records
        for moment in (record.first_time, record.last_time)
        if moment is not None
    ]
    if not times:
        return None
    every = declared.problem.partitions.every
    return Window(floor(min(times), every), following(floor(max(times), every), every))
