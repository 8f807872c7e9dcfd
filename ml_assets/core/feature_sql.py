"""What can be said of features.sql before it runs: no look ahead, no label, no outside world."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp

from ml_assets.core.errors import FeatureSqlError, nearest

ROWS_VIEW = "validated_data"
LABELS_VIEW = "labels"
# A feature must be the same today and in a year, in the batch and in the server.
UNSTEADY = (
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentTime,
    exp.CurrentDatetime,
    exp.Rand,
    exp.Uuid,
)
UNSTEADY_NAMES = {"now", "random", "uuid", "today", "current_localtimestamp", "getenv", "setseed"}


@dataclass(frozen=True)
class Finding:
    """Something in features.sql that must not be there.

    Attributes:
        line: Line of the text, counted from 1; None where it concerns the whole.
        text: What was found, why it is wrong and what to write instead.
    """

    line: int | None
    text: str

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


def inspect(
    sql: str, *, target: str, after_event: Iterable[str] = (), references: Iterable[str] = ()
) -> tuple[Finding, ...]:
    """Return all that is wrong with features.sql as far as its text tells.

    Args:
        sql: Text of features.sql.
        target: Label column.
        after_event: Columns that are known only after the event.
        references: Names of the reference tables.

    Raises:
        FeatureSqlError: If the text is not one SELECT in DuckDB's SQL.

    Example:
        >>> [str(found) for found in inspect(
        ...     "SELECT event_time, lead(x) OVER (ORDER BY event_time) AS next FROM validated_data",
        ...     target="y")]
        ["line 1: lead() reads later rows. Use lag(), or a label from the view 'labels'."]
    """
    tree = _parsed(sql)
    return (
        *_unknown_tables(tree, {ROWS_VIEW, LABELS_VIEW, *references}),
        *_unsteady(tree),
        *_forward_windows(tree),
        *_labels_among_rows(tree, {target, *after_event}),
    )


def _parsed(sql: str) -> exp.Query:
    try:
        statements = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        message = (
            f"features.sql, line {first.get('line', '?')}: {first.get('description', error)}. "
            "It must be one SELECT in DuckDB's SQL."
        )
        raise FeatureSqlError(message) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        message = (
            f"features.sql holds {len(statements)} statements; it must be one SELECT over the "
            f"views {ROWS_VIEW!r} and {LABELS_VIEW!r}."
        )
        raise FeatureSqlError(message)
    return statements[0]


def _line(node: Any) -> int | None:  # noqa: ANN401  any node of sqlglot's tree
    # sqlglot keeps positions on identifiers: take the first one below the node.
    for below in node.walk():
        line = below.meta.get("line")
        if line is not None:
            return int(line)
    return None


def _unknown_tables(tree: exp.Query, known: set[str]) -> Iterable[Finding]:
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        name = table.name
        if not name:
            text = (
                f"{table.sql(dialect='duckdb')} reads from outside. Features read "
                f"{sorted(known)} only; declare other tables under 'references'."
            )
            yield Finding(_line(table), text)
        elif name.lower() not in {*named, *known} or table.db:
            yield Finding(
                _line(table), f"There is no table {table.sql()!r}. {nearest(name, known)}"
            )


def _unsteady(tree: exp.Query) -> Iterable[Finding]:
    for call in tree.find_all(exp.Func):
        name = call.name.lower() if isinstance(call, exp.Anonymous) else call.sql_name().lower()
        if isinstance(call, UNSTEADY) or name in UNSTEADY_NAMES:
            text = f"{name}() differs from run to run. Use the row's event_time."
            yield Finding(_line(call), text)


def _forward_windows(tree: exp.Query) -> Iterable[Finding]:
    for call in tree.find_all(exp.Lead):
        text = "lead() reads later rows. Use lag(), or a label from the view 'labels'."
        yield Finding(_line(call), text)
    for window in tree.find_all(exp.Window):
        if window.args.get("alias") is not None:
            continue  # "OVER w": the named window is looked at where it is defined
        order = window.args.get("order")
        frame = window.args.get("spec")
        if frame is not None and _looks_ahead(frame):
            text = "A window ends after the current row (FOLLOWING): it would see the future."
            yield Finding(_line(window), text)
        elif order is None:
            text = (
                "A window without ORDER BY sees all rows, later ones too. Order it by event_time."
            )
            yield Finding(_line(window), text)
        elif any(part.args.get("desc") for part in order.expressions):
            text = "A window in descending order looks into the future. Order it by event_time."
            yield Finding(_line(window), text)


def _looks_ahead(frame: exp.Expression) -> bool:
    sides = {str(frame.args.get(side) or "").upper() for side in ("start_side", "end_side")}
    return "FOLLOWING" in sides


def _labels_among_rows(tree: exp.Query, late: set[str]) -> Iterable[Finding]:
    names = {name.lower() for name in late}
    for select in tree.find_all(exp.Select):
        sources = {
            table.alias_or_name.lower(): table.name.lower()
            for table in select.find_all(exp.Table)
            if table.find_ancestor(exp.Select) is select
        }
        for column in select.find_all(exp.Column):
            if column.name.lower() not in names or column.find_ancestor(exp.Select) is not select:
                continue
            owner = column.table.lower()
            from_rows = (
                sources.get(owner) == ROWS_VIEW if owner else set(sources.values()) == {ROWS_VIEW}
            )
            if from_rows:
                text = (
                    f"{column.name!r} is known only after the event, so {ROWS_VIEW!r} does not "
                    f"hold it. Join {LABELS_VIEW!r} on known_at <= event_time to read past ones."
                )
                yield Finding(_line(column), text)
