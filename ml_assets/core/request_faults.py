"""What msgspec says of a wrong request, in our words: which row, which column, what is expected."""

import re
from collections.abc import Sequence

import msgspec

from ml_assets.core.errors import nearest
from ml_assets.core.request_rows import Fault

_AT_ROW = re.compile(r" - at `\$(?:\[(?P<row>\d+)\])?(?:\.(?P<column>.+))?`$")
_NAMED_FIELD = re.compile(r"field `(?P<column>.*)`$", re.DOTALL)


def explained(error: msgspec.ValidationError, *, known: Sequence[str]) -> Fault:
    """Return what was wrong with a request.

    Args:
        error: Of the decoder.
        known: Names that a field may have.
    """
    text = str(error)
    place = _AT_ROW.search(text)
    reason = text[: place.start()] if place else text
    row = place["row"] if place else None
    column = place["column"] if place else None
    named = _NAMED_FIELD.search(reason)
    rule = "type"
    if named:
        column = named["column"]
        rule = "unknown_field" if "unknown" in reason else "required"
        if rule == "unknown_field":
            reason = f"Unknown field {column!r}. {nearest(column, known)}"
    elif column is not None and "datetime" in reason:
        rule = "time"
        reason += ": give ISO 8601 with an offset, such as 2024-05-15T07:30:00Z"
    message = reason if reason.endswith((".", "?")) else f"{reason}."
    return Fault(None if row is None else int(row), column, rule, message)
