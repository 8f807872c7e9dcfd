"""What each column is used for, and why."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.kinds import TYPED, Values
from ml_assets.core.inference.limits import limits_of
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.values import Doubt, Inferred, Role, Truth

MOST_CATEGORIES = 50
INDEX_WORD = re.compile(
    r"^(index|instant|no|nr|num|number|row|rows?_?(id|no|nr|num|number)?|id|seq|sequence|uid|uuid|"
    r"record(_id)?|unnamed(_\d+)?|index_value|row_value|column\d+)$"
)


def describe_columns(
    texts: Texts,
    kinds: Mapping[str, Values],
    *,
    names: Mapping[str, str],
    time: Collection[str],
    truth: Truth,
    keys: Sequence[str],
    late: Mapping[str, str],
    freeze: bool,
) -> tuple[tuple[Inferred, ...], list[Doubt]]:
    """Return all columns of the file with their roles, in its order.

    Args:
        texts: Holds the table ``typed``.
        kinds: Kind by name in the file; a column without one is left out of the contract.
        names: Name in the contract by name in the file.
        time: Columns of the event time.
        truth: The label.
        keys: Columns that name the entity.
        late: Columns known only after the event, and why.
        freeze: Whether limits may be frozen.
    """
    found, doubts = [], []
    for source in texts.names:
        values = kinds.get(source)
        if source in time:
            found.append(Inferred(source, source, "time"))
        elif values is None:
            why = "has no values" if source in names else "has no name of its own in the file"
            found.append(Inferred(source, names.get(source, source), "ignored", why=why))
        else:
            column = _described(texts, names[source], source, values, truth=truth, freeze=freeze)
            found.append(_with_role(texts, column, truth=truth, keys=keys, late=late))
    for column in found:
        if column.role in ("plain", "ignored") and column.why:
            doubts.append(Doubt(column.name, f"not a feature: {column.why}."))
        if column.in_contract:
            doubts += [Doubt(column.name, f"{remark}.") for remark in column.remarks]
    return tuple(found), doubts


def _described(
    texts: Texts, name: str, source: str, values: Values, *, truth: Truth, freeze: bool
) -> Inferred:
    kind = truth.kind if name == truth.column else values.kind
    column = quoted(name)
    missing, distinct = texts.row(
        f"SELECT count(*) FILTER ({column} IS NULL), count(DISTINCT {column}) FROM {TYPED} "
        "WHERE event_time IS NOT NULL AND NOT _odd"
    )
    limits = limits_of(texts, name, kind, freeze=freeze)
    return Inferred(
        source,
        name,
        kind=kind,
        missing=missing,
        distinct=distinct,
        low=limits.low,
        high=limits.high,
        at_least=limits.at_least,
        at_most=limits.at_most,
        allowed=limits.allowed,
        date_format=values.date_format,
        remarks=limits.remarks,
    )


def _with_role(
    texts: Texts,
    column: Inferred,
    *,
    truth: Truth,
    keys: Sequence[str],
    late: Mapping[str, str],
) -> Inferred:
    role, why = _role(texts, column, truth=truth, keys=keys, late=late)
    used = replace(column, role=role, why=why)
    if role == "key":  # new entities may come
        return replace(used, allowed=None, at_least=None, at_most=None)
    if role in ("target", "after_event") and truth.task == "regression":
        return replace(used, allowed=None)
    return used


def _role(
    texts: Texts,
    column: Inferred,
    *,
    truth: Truth,
    keys: Sequence[str],
    late: Mapping[str, str],
) -> tuple[Role, str]:
    if column.name == truth.column:
        return "target", ""
    if column.name in keys:
        return "key", ""
    if column.name in late:
        return "after_event", late[column.name]
    return _use(texts, column)


def _use(texts: Texts, column: Inferred) -> tuple[Role, str]:
    if _numbers_rows(texts, column):
        return "ignored", "it numbers the rows"
    if column.distinct < 2:
        return "plain", "it has one value only"
    if column.kind == "string" and column.distinct > MOST_CATEGORIES:
        return "plain", f"it is text with {column.distinct:,} values"
    return "feature", ""


def _numbers_rows(texts: Texts, column: Inferred) -> bool:
    """Return whether a column is a running number, or a number of its own for each row."""
    if column.kind not in ("integer", "string") or column.missing:
        return False
    rows = texts.row(f"SELECT count(*) FROM {TYPED} WHERE event_time IS NOT NULL")[0]
    if column.distinct < 0.99 * rows:
        return False
    if INDEX_WORD.search(column.name) or column.kind == "string":
        return True
    width = (column.high or 0) - (column.low or 0)
    return width == column.distinct - 1
