"""An answer as a person types it, against what the contract says a label is."""

from collections.abc import Sequence
from math import isfinite

from ml_assets.core.contract import Column
from ml_assets.core.errors import DataError, nearest

YES, NO = ("true", "yes", "1"), ("false", "no", "0")


def read_answer(text: str, column: Column, *, classes: Sequence[str] = ()) -> str:
    """Return an answer as the label's text.

    Args:
        text: As it was typed.
        column: What a label is.
        classes: The only classes there are; empty for a number.

    Raises:
        DataError: If it is no label.

    Example:
        >>> from ml_assets.core.contract import Column
        >>> read_answer(" 7,5 ".replace(",", "."), Column("demand", "float", at_least=0))
        '7.5'
        >>> read_answer("Yes", Column("failed", "boolean"))
        'true'
    """
    given = text.strip()
    if not given:
        message = f"An answer is missing: {expected(column, classes=classes)}."
        raise DataError(message)
    match column.kind:
        case "float" | "integer":
            found = _number(given, column)
        case "boolean":
            found = _truth(given)
        case _:
            found = given
    if found is None:
        message = f"{given!r} is not {expected(column, classes=classes)}."
        raise DataError(message)
    if classes and found not in classes:
        message = f"{given!r} is not {expected(column, classes=classes)}. {nearest(found, classes)}"
        raise DataError(message)
    return found


def expected(column: Column, *, classes: Sequence[str] = ()) -> str:
    """Say in words what a label is."""
    if classes:
        return f"one of {', '.join(classes)}"
    kinds = {"float": "a number", "integer": "a whole number", "boolean": "yes or no"}
    text = kinds.get(column.kind, "a text")
    if column.at_least is not None:
        text += f" from {column.at_least:g}"
    if column.at_most is not None:
        text += f" up to {column.at_most:g}"
    return text


def _number(text: str, column: Column) -> str | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not isfinite(value) or "_" in text:
        return None
    if column.at_least is not None and value < column.at_least:
        return None
    if column.at_most is not None and value > column.at_most:
        return None
    if column.kind == "float":
        return repr(value)
    return str(int(value)) if value.is_integer() else None


def _truth(text: str) -> str | None:
    lowered = text.lower()
    if lowered in YES:
        return "true"
    return "false" if lowered in NO else None
