"""From raw_data to typed rows, or the rule that a row breaks."""

from collections.abc import Iterator

from ml_assets.core.contract import Contract
from ml_assets.core.problem import EventTime, Format, Partitions
from ml_assets.core.problem.time import EPOCH_FORMATS, ISO
from ml_assets.core.reading.landing import clock_sql
from ml_assets.core.reading.names import literal, quoted
from ml_assets.core.reading.times import moment_sql, time_columns, trimmed
from ml_assets.core.reading.values import NUMBERS, text_sql, value_sql


def typed_sql(
    raw: str,
    *,
    time: EventTime,
    partitions: Partitions,
    contract: Contract,
    format: Format,  # noqa: A002
) -> str:
    """Return every row of raw_data with its values and the first rule that its text breaks.

    Args:
        raw: View of raw_data.
        time: How event time and knowledge time are declared.
        partitions: How time is cut.
        contract: Columns and their kinds.
        format: How text is to be read.

    Returns:
        One SELECT with the columns ``_number`` (a row's place, from 1), ``_date``, ``_time``,
        ``_file``, ``_row``, ``_arrived_at``, ``event_time``, ``known_at``, ``_text``,
        ``_original`` (text by column), ``_rule`` (NULL for a row that is whole, else
        "malformed_row", "event_time", "time_range", "known_at", "not_finite" or "type"),
        ``_column``, ``_value``, and the contract's columns, typed.
    """
    trims = [f"{quoted(name)} := {trimmed(quoted(name))}" for name in contract.names]
    texts = [
        f"{quoted(c.name)} := {text_sql(c, format, text=f'_trimmed.{quoted(c.name)}')}"
        for c in contract.columns
    ]
    values = [
        f"{value_sql(c, format, text=_text(c.name), timezone=time.timezone)} AS {quoted(c.name)}"
        for c in contract.columns
    ]
    rules = list(_rules(time, partitions, contract))
    rule, column, value = (
        " ".join(f"WHEN {broken[0]} THEN {broken[part]}" for broken in rules) for part in (1, 2, 3)
    )
    return f"""
WITH numbered AS (
    SELECT row_number() OVER () AS _number, *, struct_pack({", ".join(trims)}) AS _trimmed
    FROM {quoted(raw)}
), read AS (
    SELECT _number, _date, _time, _file, _row, _arrived_at, event_time, _fault, _time_text,
        _known_text, {_known_at(time, format)} AS known_at,
        _text, {_original(time, contract)} AS _original,
        struct_pack({", ".join(texts)}) AS _read
    FROM numbered
), valued AS (
    SELECT *, {", ".join(values)} FROM read
)
SELECT _number, _date, _time, _file, _row, _arrived_at, event_time, known_at, _text, _original,
    CASE {rule} END AS _rule, CASE {column} END AS _column, CASE {value} END AS _value,
    {", ".join(quoted(name) for name in contract.names)}
FROM valued
"""


def duplicates_sql(relation: str, *, identity: tuple[str, ...], keep: str) -> str:
    """Return the rows of a typed table that give way to another row with the same identity.

    Args:
        relation: Typed rows, with ``_number``, ``_arrived_at``, ``_file`` and ``_row``.
        identity: Columns that name one row.
        keep: "first" or "last" in order of arrival, file and row; or "none".

    Returns:
        One SELECT with ``_number``, and ``_value`` that tells the identity.
    """
    names = ", ".join(quoted(name) for name in identity)
    direction = "ASC" if keep == "first" else "DESC"
    order = ", ".join(f"{name} {direction}" for name in ("_arrived_at", "_file", "_row", "_number"))
    surplus = "count(*) OVER same > 1" if keep == "none" else "row_number() OVER ranked > 1"
    return (
        f"SELECT _number, concat_ws(' ', {names}) AS _value FROM {quoted(relation)} "
        f"WINDOW same AS (PARTITION BY {names}), ranked AS (same ORDER BY {order}) "
        f"QUALIFY {surplus}"
    )


def _text(name: str) -> str:
    return f"_read.{quoted(name)}"


def _known_at(time: EventTime, format: Format) -> str:  # noqa: A002
    if time.known_at is None:
        return "event_time"
    declared = format.dates.get(time.known_at, _shared_format(time))
    return moment_sql(trimmed("_known_text"), format=declared, timezone=time.timezone)


def _shared_format(time: EventTime) -> str:
    # Two moments of one row are usually written alike, unless one is spread over columns.
    alike = len(time.columns) == 1 or time.format in EPOCH_FORMATS
    return time.format if alike else ISO


def _original(time: EventTime, contract: Contract) -> str:
    parts = {name: quoted(name) for name in contract.names}
    if time_columns(time):
        parts.setdefault(" ".join(time_columns(time)), "_time_text")
    if time.known_at is not None:
        parts.setdefault(time.known_at, "_known_text")
    return f"struct_pack({', '.join(f'{quoted(name)} := {text}' for name, text in parts.items())})"


def _rules(
    time: EventTime, partitions: Partitions, contract: Contract
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (condition, rule, column, value) in the order in which they are applied."""
    told = " ".join(time_columns(time)) or "event_time"
    within = clock_sql(partitions, moment="event_time", arrived_at="_arrived_at")
    yield "_fault IS NOT NULL", "'malformed_row'", "NULL", "_fault"
    yield "event_time IS NULL", "'event_time'", literal(told), "_time_text"
    yield f"NOT {within}", "'time_range'", literal(told), "CAST(event_time AS VARCHAR)"
    if time.known_at is not None:
        yield "known_at IS NULL", "'known_at'", literal(time.known_at), "_known_text"
    for column in contract.columns:
        text = _text(column.name)
        rule = "'type'"
        if column.kind in NUMBERS:
            infinite = f"NOT isfinite(TRY_CAST({text} AS DOUBLE))"
            rule = f"CASE WHEN {infinite} THEN 'not_finite' ELSE 'type' END"
        if column.kind != "string":
            broken = f"{text} IS NOT NULL AND {quoted(column.name)} IS NULL"
            yield broken, rule, literal(column.name), text
