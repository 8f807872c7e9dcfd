"""Whether features.sql keeps to the rows of one entity, as far as its text tells.

If it does, entities never see each other's rows, and the order in which rows of different entities
arrived says nothing. A replay of production then needs far fewer steps.
"""

from collections.abc import Sequence

import sqlglot
from sqlglot import exp

from ml_assets.core.feature_sql import ROWS_VIEW


def keeps_to_entity(sql: str, keys: Sequence[str]) -> bool:
    """Return whether a row's features can depend on rows of its own entity only.

    The answer errs on the side of False: then all rows are treated as one entity.

    Args:
        sql: Text of features.sql.
        keys: Columns that name the entity.

    Example:
        >>> keeps_to_entity(
        ...     "SELECT avg(x) OVER (PARTITION BY rig ORDER BY event_time) FROM validated_data",
        ...     ["rig"])
        True
        >>> keeps_to_entity("SELECT avg(x) OVER (ORDER BY event_time) FROM validated_data", ["rig"])
        False
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    rows = [table for table in tree.find_all(exp.Table) if table.name.lower() == ROWS_VIEW]
    if not keys or len(rows) != 1 or not _each_subquery_is_read_once(tree):
        return False
    wanted = {key.lower() for key in keys}
    selects = [node for node in _above(rows[0]) if isinstance(node, exp.Query)]
    selects += [select for cte in tree.find_all(exp.CTE) for select in cte.find_all(exp.Select)]
    return all(_keeps_rows_apart(select, wanted) for select in selects)


def _above(node: exp.Expr) -> list[exp.Expr]:
    found = []
    parent = node.parent
    while parent is not None:
        found.append(parent)
        parent = parent.parent
    return found


def _each_subquery_is_read_once(tree: exp.Expr) -> bool:
    """Return whether no common table expression is read twice, as a join with itself would."""
    named = [cte.alias.lower() for cte in tree.find_all(exp.CTE)]
    read = [table.name.lower() for table in tree.find_all(exp.Table)]
    return all(read.count(name) <= 1 for name in named)


def _keeps_rows_apart(select: exp.Expr, keys: set[str]) -> bool:
    if not isinstance(select, exp.Select):
        return False  # UNION and the like
    if any(select.args.get(clause) for clause in ("group", "distinct", "limit", "offset")):
        return False
    own = [
        node
        for node in select.find_all(exp.Window, exp.AggFunc)
        if node.find_ancestor(exp.Select) is select
    ]
    for node in own:
        if isinstance(node, exp.Window):
            if node.args.get("alias") is None and not keys <= _partition(node):
                return False
        elif node.find_ancestor(exp.Window) is None:
            return False
    return True


def _partition(window: exp.Window) -> set[str]:
    parts = window.args.get("partition_by") or []
    return {part.name.lower() for part in parts if isinstance(part, exp.Column)}
