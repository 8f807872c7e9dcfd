"""DuckDB as a Dagster resource."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_duckdb import DuckDBResource
from duckdb import DuckDBPyConnection


class Engine(DuckDBResource):
    """Hands assets and checks a DuckDB of their own, in memory, whose clock and dates are UTC."""

    database: str = ":memory:"

    @contextmanager
    def get_connection(self) -> Iterator[DuckDBPyConnection]:
        """Open a DuckDB that is closed, also after an error, at the end of the block."""
        with super().get_connection() as connection, connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
