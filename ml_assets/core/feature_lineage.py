"""Which columns each feature is made from, read from the text of features.sql."""

from collections.abc import Iterator, Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

Origin = tuple[str, str]


def feature_origins(sql: str, tables: Mapping[str, Sequence[str]]) -> dict[str, tuple[Origin, ...]]:
    """Return the columns from which each column that features.sql selects is computed.

    What only decides which rows meet, such as the condition of a join, is not among them.

    Args:
        sql: Text of features.sql: one SELECT, as ``feature_sql.inspect`` has seen.
        tables: Columns by view; none where they are not known, as of a reference table.

    Returns:
        (view, column) pairs by selected column, in the order of the SELECT. Columns for which the
        text alone does not tell are left out.

    Example:
        >>> feature_origins(
        ...     "SELECT v.a * v.b AS product, r.d FROM validated_data v JOIN rigs r USING (k)",
        ...     {"validated_data": ["a", "b", "k"], "rigs": []})
        {'product': (('validated_data', 'a'), ('validated_data', 'b')), 'd': (('rigs', 'd'),)}
    """
    known = {name: dict.fromkeys(columns, "text") for name, columns in tables.items() if columns}
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
        found = lineage(None, tree, schema=known, dialect="duckdb")
    except SqlglotError:  # it knows less SQL than DuckDB, which is what runs the text
        return {}
    selected = tree.named_selects if isinstance(tree, exp.Query) else ()
    # sqlglot writes all names small, and DuckDB leaves them as they were written.
    spelt = {name.lower(): name for columns in tables.values() for name in columns}
    written = {**spelt, **{name.lower(): name for name in selected}}
    origins = {
        written.get(name, name): tuple(
            sorted({(view, spelt.get(column, column)) for view, column in _origins(node)})
        )
        for name, node in found.items()
    }
    return {name: pairs for name, pairs in origins.items() if pairs}


def _origins(node: Node) -> Iterator[Origin]:
    for leaf in node.walk():
        if not leaf.downstream and isinstance(leaf.expression, exp.Table):
            column = leaf.name.rpartition(".")[2]
            if column != "*":
                yield leaf.expression.name, column
