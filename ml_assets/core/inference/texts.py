"""A table of texts that answers questions about itself, in memory."""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from ml_assets.core.feature_query import quoted

CELLS = "cells"
PLAIN_INTEGER = r"[+-]?(0|[1-9]\d{0,17})"


def text_literal(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def joined_sql(columns: Iterable[str]) -> str:
    """Return SQL for the texts of some columns joined by a space."""
    return " || ' ' || ".join(quoted(column) for column in columns)


class Texts:
    """The cells of a file, trimmed, NULL where empty, with the row's position in ``_row``.

    Example:
        >>> texts = Texts(pa.table({"a": ["1", " 2 ", ""]}))
        >>> texts.row("SELECT count(a), max(a), max(_row) FROM cells")
        (2, '2', 3)
    """

    def __init__(self, table: pa.Table) -> None:
        self.names = tuple(table.column_names)
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.register("file", table)
        cells = ", ".join(
            f"nullif(trim({quoted(name)}, ' \t\r\n\x1a'), '') AS {quoted(name)}"
            for name in self.names
        )
        self._connection.execute(
            f"CREATE TABLE {CELLS} AS SELECT row_number() OVER () AS _row, {cells} FROM file"
        )
        self._connection.unregister("file")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self._connection.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Return the only row of a query."""
        (only,) = self.rows(sql)
        return only

    def frame(self, sql: str) -> Any:  # noqa: ANN401
        """Return a query's rows as a pandas frame."""
        return self._connection.execute(sql).df()

    def run(self, sql: str) -> None:
        """Change a table."""
        self._connection.execute(sql)

    def empty_cells(self, words: Iterable[str]) -> None:
        """Make the cells NULL that hold one of ``words``."""
        named = ", ".join(text_literal(word) for word in words)
        if named:
            sets = ", ".join(
                f"CASE WHEN {quoted(name)} IN ({named}) THEN NULL ELSE {quoted(name)} END "
                f"AS {quoted(name)}"
                for name in self.names
            )
            self.run(f"CREATE OR REPLACE TABLE {CELLS} AS SELECT _row, {sets} FROM {CELLS}")

    def frequent(self, column: str, *, limit: int, where: str = "true") -> list[tuple[str, int]]:
        """Return the most frequent texts of a column, with their counts."""
        cell = quoted(column)
        return [
            (text, count)
            for text, count in self.rows(
                f"SELECT {cell}, count(*) AS n FROM {CELLS} WHERE {cell} IS NOT NULL AND {where} "
                f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {limit}"
            )
        ]

    def spread(self, columns: Sequence[str], *, limit: int) -> list[str]:
        """Return texts of a column (or of several, joined by a space) from all over the file."""
        joined = joined_sql(columns)
        return [
            text
            for (text,) in self.rows(
                f"SELECT any_value(text) FROM (SELECT {joined} AS text, _row, "
                f"max(_row) OVER () AS last FROM {CELLS}) WHERE text IS NOT NULL "
                f"GROUP BY (_row * {limit}) // (last + 1)"
            )
        ]
