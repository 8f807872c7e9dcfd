"""A statement that DuckDB plans once and runs often."""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

# Without its optimizer DuckDB joins such tables pair by pair: it may then take for ever.
_PAIRWISE = frozenset({"CROSS_PRODUCT", "NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN", "IE_JOIN"})
_ROW_BY_ROW = frozenset({"EXECUTE", "PROJECTION", "PYTHON_ARROW_SCAN", "CTE", "CTE_SCAN"})


class Prepared:
    """A prepared statement.

    DuckDB keeps a plan only if its optimizer was off when the plan was made: an optimized plan
    depends on statistics, and is made anew at each execution, which costs more than running it
    over few rows. So the plan is made without the optimizer, unless it would join pair by pair.

    Args:
        connection: Runs the statement; it must not be in a transaction that failed.
        name: Names the statement in this connection.
        text: The statement; ``$1`` and so on are its parameters.
        parameters: One SQL literal a parameter, to explain the plan with.

    Raises:
        duckdb.Error: If the statement cannot be planned.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        text: str,
        *,
        parameters: tuple[str, ...] = (),
    ) -> None:
        self._connection = connection
        self._name = name
        connection.execute("PRAGMA disable_optimizer")
        try:
            connection.execute(f"PREPARE {name} AS {text}")
            self._operators = frozenset(self._plan(parameters))
        finally:
            connection.execute("PRAGMA enable_optimizer")
        if self._operators & _PAIRWISE:
            connection.execute(f"DEALLOCATE {name}")
            connection.execute(f"PREPARE {name} AS {text}")
        (self._run,) = connection.extract_statements(f"EXECUTE {name}")

    @property
    def row_by_row(self) -> bool:
        """Whether each row of the result comes from one row of a registered table, in its order."""
        return self._operators <= _ROW_BY_ROW

    def run(self, *parameters: str) -> duckdb.DuckDBPyConnection:
        """Run the statement.

        Args:
            parameters: One SQL literal a parameter.
        """
        if parameters:
            return self._connection.execute(f"EXECUTE {self._name}({', '.join(parameters)})")
        return self._connection.execute(self._run)

    def _plan(self, parameters: tuple[str, ...]) -> Iterator[str]:
        given = f"({', '.join(parameters)})" if parameters else ""
        explained = self._connection.execute(f"EXPLAIN (FORMAT json) EXECUTE {self._name}{given}")
        for _, plan in explained.fetchall():
            for node in json.loads(plan):
                yield from _operators(node)


def _operators(node: dict[str, Any]) -> Iterator[str]:
    yield node["name"].strip()
    for child in node["children"]:
        yield from _operators(child)
