"""Why rows were rejected: which rule, in which column, how often, and by which values."""

from dataclasses import dataclass

import duckdb

EXAMPLES = 3


@dataclass(frozen=True)
class Broken:
    """Rows that break one rule in one column.

    Attributes:
        rule: The rule.
        column: The column; None for a rule about whole rows.
        rows: How many.
        examples: Some of the values, the most frequent first.
    """

    rule: str
    column: str | None
    rows: int
    examples: tuple[str, ...]


def broken_rules(connection: duckdb.DuckDBPyConnection, rejected: str) -> tuple[Broken, ...]:
    """Return the rules that rejected rows break, the most frequent first.

    Args:
        connection: Holds the rows.
        rejected: SQL of the rows, with ``rule``, ``column`` and ``value``.
    """
    rows = connection.execute(
        f'WITH counted AS (SELECT rule, "column", value, count(*) AS n FROM ({rejected}) '
        'GROUP BY ALL) SELECT rule, "column", CAST(sum(n) AS BIGINT) AS broken, '
        f"list(value ORDER BY n DESC, value)[:{EXAMPLES}] FROM counted "
        'GROUP BY rule, "column" ORDER BY broken DESC, rule, "column"'
    ).fetchall()
    return tuple(
        Broken(rule, column, count, tuple(value for value in values if value is not None))
        for rule, column, count, values in rows
    )
