"""The state database: decisions that many processes write, in SQLite or Postgres."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine.interfaces import DBAPIConnection

from ml_assets.core.errors import MLAssetsError

MIGRATIONS = Path(__file__).parent / "migrations"
WRITE_ATTEMPTS = 8
BUSY_TIMEOUT_MS = 30_000
MIGRATION_LOCK = 7_226_001  # any number that no other user of the same Postgres locks
WRITES = "ml_assets_writes"

T = TypeVar("T")


class State:
    """The database, opened and brought up to date at its first use.

    Args:
        url: SQLAlchemy URL, such as ``sqlite:////srv/state.db`` or ``postgresql+psycopg://…``.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _bare_engine(self) -> sa.Engine:
        url = sa.make_url(self.url)
        if url.get_backend_name() == "sqlite":
            return _sqlite_engine(url)
        return sa.create_engine(url, pool_pre_ping=True)

    @cached_property
    def engine(self) -> sa.Engine:
        """The engine of the migrated database."""
        self.migrate()
        return self._bare_engine

    def migrate(self) -> None:
        """Run the migrations that the database lacks; a second process waits for the first.

        Raises:
            MLAssetsError: If the database was written by a newer release.
        """
        with self._bare_engine.execution_options(**{WRITES: True}).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config = migrations()
            head = ScriptDirectory.from_config(config).get_current_head()
            current = MigrationContext.configure(connection).get_current_revision()
            if current == head:
                return
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                message = (
                    f"The state database is at revision {current}, this release knows up to {head}."
                    " A newer release wrote it: use that one."
                )
                raise MLAssetsError(message) from error

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._bare_engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a connection that sees one consistent state."""
        with self.engine.begin() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work`` in one transaction and return what it returns.

        It runs again, from the start, if another writer was faster. In SQLite writers wait for
        each other instead.
        """
        writer = self.engine.execution_options(**{WRITES: True})
        for attempt in range(1, WRITE_ATTEMPTS):
            try:
                with writer.begin() as connection:
                    return work(connection)
            except (sa.exc.IntegrityError, sa.exc.OperationalError):
                # Jitter, so that two writers do not meet again.
                time.sleep(random.uniform(0.5, 1.5) * 0.002 * 2**attempt)  # noqa: S311
        with writer.begin() as connection:
            return work(connection)


def fetch(connection: sa.Connection, query: sa.Select, kind: type[T]) -> list[T]:
    """Return each row that ``query`` gives as a ``kind`` whose fields are called as its columns."""
    return [kind(**row._asdict()) for row in connection.execute(query)]


def migrations() -> Config:
    """Return Alembic's configuration of the packaged migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if url.database:
        Path(url.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _record: object) -> None:
        # The driver would begin transactions on its own, and not before DDL.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A reader that turns writer fails at once if another wrote in between: writers say so.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
