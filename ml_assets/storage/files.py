"""The manifest of the files that were ingested or set aside."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import files

Status = Literal["landed", "set_aside", "superseded"]


@dataclass(frozen=True)
class FileRecord:
    """What became of one file.

    Attributes:
        path: Where it was found, as the source names it.
        digest: SHA-256 of its content.
        status: ``landed``: its rows are in the lake. ``set_aside``: it could not be read.
            ``superseded``: a newer content took its place, or it was withdrawn.
        reason: Why it was set aside or withdrawn.
        rows: How many data rows it has.
        first_time: Earliest event time in it.
        last_time: Latest event time in it.
        at: When this was decided.
    """

    path: str
    digest: str
    status: Status
    reason: str | None
    rows: int | None
    first_time: datetime | None
    last_time: datetime | None
    at: datetime


@dataclass(frozen=True)
class Changes:
    """What was recorded of a source's files since a reader looked.

    Attributes:
        newest: Number of the newest record; the reader's own number if there is none since.
        records: The records since, and of each of their paths the one before, oldest first.
    """

    newest: int
    records: tuple[FileRecord, ...]


class FileManifest:
    """The manifests of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def known(self, problem: str, source: str = "rows") -> dict[str, FileRecord]:
        """Return what is known of each path now; what was superseded is left out."""
        query = _of(problem, source).where(files.c.status != "superseded")
        return {record.path: record for record in self._select(query)}

    def history(self, problem: str, path: str, source: str = "rows") -> list[FileRecord]:
        """Return all that was recorded of one path, oldest first."""
        return self._select(_of(problem, source).where(files.c.path == path))

    def changes(self, problem: str, source: str = "rows", *, after: int = 0) -> Changes:
        """Return what was recorded after a number, and what it took the place of.

        The numbers of a source grow in the order in which they are seen, whatever the clock says:
        what lands takes turns, and the files of one landing appear together.

        Args:
            problem: Whose files.
            source: Of which of its sources.
            after: The number up to which a reader knows the records; 0 for none of them.
        """
        newer = (files.c.problem == problem) & (files.c.source == source) & (files.c.id > after)
        with self.state.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(files.c.id)).where(newer)).scalar()
            if newest is None:
                return Changes(after, ())
            new = newer & (files.c.id <= newest)
            before = (
                sa.select(sa.func.max(files.c.id))
                .where((files.c.problem == problem) & (files.c.source == source))
                .where(files.c.id <= after)
                .where(files.c.path.in_(sa.select(files.c.path).where(new)))
                .group_by(files.c.path)
            )
            query = _of(problem, source).where(new | files.c.id.in_(before))
            return Changes(newest, tuple(fetch(connection, query, FileRecord)))

    def record(self, problem: str, *records: FileRecord, source: str = "rows") -> None:
        """Make each record the current one of its path; the one before stays as superseded.

        All of them are there at once, so that no reader sees a part of a landing. The same content
        with the same outcome is recorded once.
        """

        def put(connection: sa.Connection) -> None:
            for record in records:
                _put(connection, problem, source, record)

        self.state.write(put)

    def _select(self, query: sa.Select) -> list[FileRecord]:
        with self.state.read() as connection:
            return fetch(connection, query, FileRecord)


def _of(problem: str, source: str) -> sa.Select:
    columns = [files.c[name] for name in FileRecord.__dataclass_fields__]
    chosen = (files.c.problem == problem) & (files.c.source == source)
    return sa.select(*columns).where(chosen).order_by(files.c.id)


def _put(connection: sa.Connection, problem: str, source: str, record: FileRecord) -> None:
    place = (
        (files.c.problem == problem)
        & (files.c.source == source)
        & (files.c.path == record.path)
        & (files.c.status != "superseded")
    )
    current = connection.execute(sa.select(files).where(place)).mappings().one_or_none()
    if current is not None:
        if (current["digest"], current["status"]) == (record.digest, record.status):
            return
        connection.execute(sa.update(files).where(place).values(status="superseded"))
    values = {"problem": problem, "source": source, **asdict(record)}
    connection.execute(sa.insert(files).values(values))
