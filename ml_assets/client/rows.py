"""Rows as the server reads them: plain JSON, nothing converted silently."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from ml_assets.client.errors import Unsendable

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def is_frame(rows: object) -> "TypeGuard[pd.DataFrame]":
    """Return whether ``rows`` is a pandas frame, without importing pandas."""
    pandas = sys.modules.get("pandas")  # nobody has a frame who has not imported it
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def plain_rows(rows: "Row | Sequence[Row] | pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows that hold JSON values only.

    In a frame NaN, NaT and NA mean "missing" and are sent as null. In rows only None does.

    Raises:
        Unsendable: If there is no row, or a value has no form in JSON; the message names row and
            column, not the value.
    """
    found = _listed(rows)
    if not found:
        message = "There is no row to predict. Give at least one."
        raise Unsendable(message)
    return [_plain_row(row, position) for position, row in enumerate(found)]


def body_of(content: object) -> bytes:
    """Return JSON content as bytes; floats come back to the bit."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def plain(value: object, *, place: str) -> Any:  # noqa: ANN401
    """Return ``value`` as JSON knows it.

    Args:
        value: A Python or numpy scalar.
        place: Where it stands, for the message.

    Raises:
        Unsendable: If JSON has no form for it.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        message = f"{place} is not a finite number, which JSON does not know. Send None if missing."
        raise Unsendable(message)
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            message = f"{place} is a time without a time zone. Say which: tzinfo=UTC."
            raise Unsendable(message)
        return value.isoformat()
    # numpy's scalars know their Python value.
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return plain(item(), place=place)
    message = (
        f"{place} is of type {type(value).__name__}, which is not sent. Give text, a number, a "
        "boolean, a time with a time zone, or None."
    )
    raise Unsendable(message)


def _listed(rows: Any) -> Sequence[Row]:  # noqa: ANN401 - told apart here
    if isinstance(rows, Mapping):
        return [rows]
    return _frame_rows(rows) if is_frame(rows) else rows


def _plain_row(row: Row, position: int) -> dict[str, Any]:
    if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
        message = f"Row {position} is no mapping from column names to values."
        raise Unsendable(message)
    return {
        name: plain(value, place=f"Row {position}, column {name!r}") for name, value in row.items()
    }


def _frame_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    if not frame.columns.is_unique:
        message = "The frame has a column name twice. Give each column its own name."
        raise Unsendable(message)
    missing = frame.isna().to_numpy()
    columns = [list(frame[name]) for name in frame.columns]  # a list keeps each column's type
    return [
        {
            name: None if missing[row, number] else columns[number][row]
            for number, name in enumerate(frame.columns)
        }
        for row in range(len(frame))
    ]
