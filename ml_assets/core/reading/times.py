"""From text to moments: SQL that yields TIMESTAMPTZ, or NULL where the text cannot be read."""

from datetime import datetime, timedelta

from ml_assets.core.problem import EventTime, Sequence
from ml_assets.core.problem.time import EPOCH_FORMATS, ISO
from ml_assets.core.reading.names import literal, quoted

WHITE_SPACE = " \t\r\n\v\f"
LOCAL = r"[1-9]\d{3}-\d{2}-\d{2}(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
WITH_OFFSET = (
    r"([1-9]\d{3}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|[+-]\d{2}(?::?\d{2})?)"
)
# Years 1 to 9999, which every reader of the tables can hold. Microseconds since 1970.
FIRST_MICROSECOND, LAST_MICROSECOND = -62_135_596_800_000_000, 253_402_300_799_999_999


def trimmed(expression: str) -> str:
    """Return a column's text without white space around it."""
    # Trimming costs more than all the rest of reading: only what begins or ends below '!'.
    edges = f"{expression}[1] <= ' ' OR {expression}[-1] <= ' '"
    return (
        f"CASE WHEN {edges} THEN trim({expression}, {literal(WHITE_SPACE)}) ELSE {expression} END"
    )


def moment_literal(moment: datetime) -> str:
    """Return a moment as a SQL value.

    Example:
        >>> from datetime import UTC
        >>> moment_literal(datetime(2024, 1, 1, tzinfo=UTC))
        "TIMESTAMPTZ '2024-01-01T00:00:00+00:00'"
    """
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


def moment_sql(text: str, *, format: str, timezone: str) -> str:  # noqa: A002
    """Return the moment that a text names.

    Args:
        text: Expression of a trimmed text.
        format: 'iso', 'epoch_s', 'epoch_ms' or a strptime format.
        timezone: Zone of times that carry none. A time that the change of clocks skips is read
            with the offset before the change; of a time that occurs twice, the later is taken.
    """
    if format == ISO:
        offset = f"regexp_replace({text}, {literal(WITH_OFFSET)}, '\\1\\2')"
        local = _in_zone(f"TRY_CAST({text} AS TIMESTAMP)", timezone)
        return (
            f"CASE WHEN regexp_full_match({text}, {literal(LOCAL)}) THEN {local} "
            f"WHEN regexp_full_match({text}, {literal(WITH_OFFSET)}) "
            f"THEN TRY_CAST({offset} AS TIMESTAMPTZ) END"
        )
    if format in EPOCH_FORMATS:
        return _since_1970(text, microseconds=1_000_000 if format == "epoch_s" else 1_000)
    parsed = f"try_strptime({text}, {literal(format)})"
    return parsed if "%z" in format or "%Z" in format else _in_zone(parsed, timezone)


def time_columns(time: EventTime) -> tuple[str, ...]:
    """Return the columns that tell the event time; none where it is the order of the rows."""
    if time.sequence is None:
        return time.columns
    return () if time.sequence.column is None else (time.sequence.column,)


def event_text_sql(time: EventTime) -> str:
    """Return the text that tells a row's event time; NULL if any part of it is missing."""
    # A missing hour must not leave a date that reads as midnight.
    parts = [f"nullif({trimmed(quoted(name))}, '')" for name in time_columns(time)]
    return " || ' ' || ".join(parts) or "NULL::VARCHAR"


def event_time_sql(time: EventTime, *, text: str, row_offset: int = 0) -> str:
    """Return a row's event time.

    Args:
        time: How it is declared.
        text: Expression of what ``event_text_sql`` yields.
        row_offset: Rows of earlier files, where the order of the rows stands for time.
    """
    if time.sequence is not None:
        return _in_sequence(time.sequence, text, row_offset)
    return moment_sql(text, format=time.format, timezone=time.timezone)


def _in_zone(timestamp: str, timezone: str) -> str:
    return f"TRY(timezone({literal(timezone)}, {timestamp}))"


def _since_1970(text: str, *, microseconds: int) -> str:
    # A decimal, because a double does not hold today's microseconds in seconds exactly.
    count = f"TRY(CAST(TRY_CAST({text} AS DECIMAL(38, 6)) * {microseconds} AS BIGINT))"
    return (
        f"CASE WHEN {count} BETWEEN {FIRST_MICROSECOND} AND {LAST_MICROSECOND} "
        f"THEN timezone('UTC', make_timestamp({count})) END"
    )


def _in_sequence(sequence: Sequence, text: str, row_offset: int) -> str:
    step = sequence.step // timedelta(microseconds=1)
    place = f"(_row - 1 + {row_offset})"
    if sequence.column is not None:
        # 3.5 is no place in an order; a plain cast would round it.
        whole = f"regexp_full_match({text}, '-?\\d+(\\.0*)?')"
        place = f"CASE WHEN {whole} THEN TRY_CAST({text} AS BIGINT) END"
    origin = moment_literal(sequence.origin)
    return f"TRY({origin} + to_microseconds({step} * ({place})))"
