"""Rows of a query: any database over SQLAlchemy, or a DuckDB file opened read-only."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import SqlSource
from ml_assets.core.window import Window
from ml_assets.storage.sources.header import matched
from ml_assets.storage.sources.text_table import text_table

DUCKDB = "duckdb:///"
BOUND = re.compile(r"(?<![:\w\\]):(start|end)\b")


@dataclass(frozen=True)
class OpenDatabase:
    """The query of a declaration.

    Attributes:
        source: The declaration.
        root: Where the path of a database file starts.
        columns: Columns that the query must yield; all of them if empty.
    """

    source: SqlSource
    root: Path
    columns: tuple[str, ...]

    def rows(self, window: Window) -> pa.Table:
        """Return the query's rows as a text table, in the query's order.

        Args:
            window: Bounds of ``:start`` and ``:end``, where the query names them.

        Raises:
            SourceError: If the database cannot be asked, or a column is missing.
        """
        if self.source.connection.startswith(DUCKDB):
            found = self._from_duckdb(window)
        else:
            found = self._from_sqlalchemy(window)
        names = matched(
            found.column_names,
            "The query of source.query",
            columns=self.columns,
            renames=self.source.renames,
            error=SourceError,
        )
        return text_table({name: found[kept] for name, kept in names.items()}, found.num_rows)

    def _bounds(self, window: Window) -> dict[str, datetime]:
        moments = {"start": window.start, "end": window.end}
        return {name: moments[name] for name in set(BOUND.findall(self.source.query))}

    def _from_duckdb(self, window: Window) -> pa.Table:
        path = self._existing(self.source.connection.removeprefix(DUCKDB))
        query = BOUND.sub(r"$\1", self.source.query).strip().rstrip(";")
        try:
            with duckdb.connect(path, read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                return connection.sql(
                    f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (\n{query}\n)",
                    params=self._bounds(window),
                ).to_arrow_table()
        except duckdb.Error as error:
            message = f"The query of source.query failed on {path}: {error}"
            raise SourceError(message) from error

    def _from_sqlalchemy(self, window: Window) -> pa.Table:
        url = self._url()
        engine = sa.create_engine(url, hide_parameters=True)
        try:
            with engine.connect() as connection:
                result = connection.execute(self._statement(url, window))
                columns = [*zip(*result.fetchall(), strict=True)] or [()] * len(result.keys())
                arrays = [pa.array(map(text_of, values), pa.string()) for values in columns]
                return pa.table(arrays, list(result.keys()))
        except sa.exc.SQLAlchemyError as error:
            shown = url.render_as_string(hide_password=True)
            message = f"The query of source.query failed on {shown}: {error}"
            raise SourceError(message) from error
        finally:
            engine.dispose()

    def _statement(self, url: sa.URL, window: Window) -> sa.TextClause:
        bounds = self._bounds(window)
        if url.get_backend_name() == "sqlite":
            # SQLite keeps moments as text: '2024-01-01 00:00:00' is not before itself with '.000'.
            texts = {name: f"{moment:%Y-%m-%d %H:%M:%S}" for name, moment in bounds.items()}
            return sa.text(self.source.query).bindparams(**texts)
        zoned = sa.DateTime(timezone=True)
        parameters = [sa.bindparam(name, moment, zoned) for name, moment in bounds.items()]
        return sa.text(self.source.query).bindparams(*parameters)

    def _url(self) -> sa.URL:
        try:
            url = sa.make_url(self.source.connection)
        except sa.exc.ArgumentError:
            # The cause would print the address, and with it a password.
            message = "source.connection is not a SQLAlchemy URL such as postgresql://user@host/db."
            raise SourceError(message) from None
        if url.get_backend_name() == "sqlite" and url.database not in {None, "", ":memory:"}:
            return url.set(database=str(self._existing(str(url.database))))
        return url

    def _existing(self, database: str) -> Path:
        path = self.root / database
        if not path.is_file():
            message = f"source.connection names the file {path}, which does not exist."
            raise SourceError(message)
        return path


def text_of(value: Any) -> str | None:  # noqa: ANN401
    """Return a database's value as text, without loss; moments in ISO 8601.

    Example:
        >>> text_of(0.1), text_of(True), text_of(datetime(2024, 1, 1, 12)), text_of(None)
        ('0.1', 'true', '2024-01-01T12:00:00', None)
    """
    match value:
        case None:
            text = None
        case bool():
            text = "true" if value else "false"
        case float():
            text = repr(float(value))
        case datetime() | date() | time():
            text = value.isoformat()
        case bytes():
            text = value.hex()
        case Mapping() | list():
            text = json.dumps(value, default=str)
        case _:
            text = str(value)
    return text
