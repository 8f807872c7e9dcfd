"""What each column's values are, and the table in which they have their types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_assets.core.contract import SQL_TYPES, Kind
from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.marks import Marks
from ml_assets.core.inference.texts import CELLS, PLAIN_INTEGER, Texts
from ml_assets.core.inference.time_formats import time_sql
from ml_assets.core.inference.time_readings import best_reading

TYPED = "typed"
# A column with fewer odd cells than this is a column of numbers; the odd cells are rejected.
NUMERIC = 0.99
YES_AND_NO = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})


@dataclass(frozen=True)
class Values:
    """The kind of a column's values.

    Attributes:
        kind: As the contract names it.
        odd: Cells that are not of this kind.
        date_format: How its dates are written, for a time.
    """

    kind: Kind
    odd: int = 0
    date_format: str | None = None


def values_of(texts: Texts, name: str, marks: Marks) -> Values | None:
    """Return the kind of a column's values; None if it has none.

    Args:
        texts: The file, its null words emptied.
        name: The column.
        marks: How its numbers are written.
    """
    cell = quoted(name)
    plain, number = marks.plain_sql(name), marks.number_sql(name)
    present, numbers, integers = texts.row(
        f"SELECT count({cell}), count({number}), "
        f"count(*) FILTER (regexp_full_match({plain}, '{PLAIN_INTEGER}')) FROM {CELLS}"
    )
    if present == 0:
        return None
    if numbers >= NUMERIC * present:
        codes = texts.frequent(name, limit=1, where=f"regexp_full_match({plain}, '0\\d+')")
        if codes and numbers == present:
            return Values("string")  # 007 is a name: as a number it would lose its zeros
        whole = integers >= numbers
        return Values("integer" if whole else "float", odd=present - numbers)
    words = {text.lower() for text, _ in texts.frequent(name, limit=5)}
    if words in YES_AND_NO:
        return Values("boolean")
    reading = best_reading(texts, (name,))
    if reading is not None and reading.distinct > 1 and not reading.rivals:
        form = None if reading.format == "iso" else reading.format
        return Values("datetime", odd=present - reading.read, date_format=form)
    return Values("string")


def typed_sql(name: str, values: Values, marks: Marks) -> str:
    """Return SQL for a cell's value."""
    match values.kind:
        case "float" | "integer":
            return f"CAST({marks.number_sql(name)} AS {SQL_TYPES[values.kind]})"
        case "boolean":
            return f"lower({quoted(name)}) IN ('true', 'yes', 't', 'y')"
        case "datetime":
            return time_sql(quoted(name), values.date_format or "iso")
        case "string":
            return quoted(name)


def make_typed(
    texts: Texts,
    kinds: Mapping[str, Values],
    *,
    names: Mapping[str, str],
    moment: str,
    marks: Marks,
) -> None:
    """Create the table ``typed``.

    It has ``_row``, ``event_time``, ``_odd`` (whether a cell is not of its column's kind), and the
    columns as in the contract.

    Args:
        texts: The file.
        kinds: Kind by the file's column names; other columns are left out.
        names: Name in the contract by name in the file.
        moment: SQL of the event time, over the cells.
        marks: How its numbers are written.
    """
    typed = {name: typed_sql(name, values, marks) for name, values in kinds.items()}
    columns = "".join(f", {sql} AS {quoted(names[source])}" for source, sql in typed.items())
    odd = [
        f"({quoted(source)} IS NOT NULL AND ({typed[source]}) IS NULL)"
        for source, values in kinds.items()
        if values.odd
    ]
    texts.run(
        f"CREATE OR REPLACE TABLE {TYPED} AS SELECT _row, {moment} AS event_time, "
        f"({' OR '.join(odd) or 'false'}) AS _odd{columns} FROM {CELLS}"
    )


def without_sentinels(texts: Texts, found: Mapping[str, tuple[float, ...]]) -> None:
    """Make the sentinels in ``typed`` NULL."""
    if found:
        changes = ", ".join(
            f"CASE WHEN {quoted(name)} IN ({', '.join(map(str, values))}) THEN NULL "
            f"ELSE {quoted(name)} END AS {quoted(name)}"
            for name, values in found.items()
        )
        texts.run(f"CREATE OR REPLACE TABLE {TYPED} AS SELECT * REPLACE ({changes}) FROM {TYPED}")


def groups(columns: Sequence[str]) -> str:
    """Return the PARTITION BY clause for an entity's rows; empty without keys."""
    return f"PARTITION BY {', '.join(map(quoted, columns))} " if columns else ""
