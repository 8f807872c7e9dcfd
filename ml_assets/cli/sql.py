"""The command that asks a problem's tables."""

from typing import Annotated

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from ml_assets.automation.jobs import table_names
from ml_assets.cli.project import enter_project, open_workspace
from ml_assets.cli.running import Problem
from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DataError


def sql(
    problem: Problem,
    query: Annotated[
        str | None, typer.Argument(help="DuckDB SQL over the problem's tables; default: list them.")
    ] = None,
    limit: Annotated[int, typer.Option(help="Rows to show at most.")] = 50,
) -> None:
    """Ask a problem's tables in the lake, each a view of its name, with times in UTC."""
    enter_project()
    known = table_names(declared_problem(problem))
    lake, console = open_workspace().lake, Console()
    names = lake.tables(problem, known=known)
    if not names:
        message = f"{problem!r} has no table yet. Run: ml-assets materialize {problem}"
        raise DataError(message)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in names:
            lake.register(connection, f"{problem}/{name}", name=name)
        if query is None:
            console.print(_tables(connection, names))
            console.print(f'Next: ml-assets sql {problem} "SELECT * FROM {names[0]}"')
            return
        console.print(answered(connection, query, limit=limit))


def answered(connection: duckdb.DuckDBPyConnection, query: str, *, limit: int) -> Table:
    """Return the first rows that a query gives.

    Raises:
        DataError: If DuckDB cannot answer it.
    """
    try:
        found = connection.execute(query)
        columns = [column[0] for column in found.description or ()]
        rows = found.fetchmany(limit + 1) if columns else []
    except duckdb.Error as error:
        message = f"DuckDB cannot answer it: {error}"
        raise DataError(message) from error
    more = f"the first {limit} rows; --limit shows more" if len(rows) > limit else None
    table = Table(*columns, caption=more)
    for row in rows[:limit]:
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def _tables(connection: duckdb.DuckDBPyConnection, names: list[str]) -> Table:
    table = Table("table", "rows", "columns")
    for name in names:
        view = connection.view(name)
        (count,) = connection.sql(f'SELECT count(*) FROM "{name}"').fetchall()[0]
        table.add_row(name, str(count), ", ".join(view.columns))
    return table
