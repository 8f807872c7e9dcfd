"""From the text of a source to rows that have a place in time: raw_data."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ml_assets.core.problem import EventTime, Partitions
from ml_assets.core.reading.names import literal, quoted
from ml_assets.core.reading.times import (
    event_text_sql,
    event_time_sql,
    moment_literal,
    time_columns,
)

MICROSECOND = timedelta(microseconds=1)


def source_columns(time: EventTime, columns: Iterable[str]) -> tuple[str, ...]:
    """Return all columns a source must hold: the wanted ones and those that tell the time.

    Example:
        >>> source_columns(EventTime(columns=("day", "hour"), known_at="seen"), ["hour", "cnt"])
        ('hour', 'cnt', 'day', 'seen')
    """
    known = () if time.known_at is None else (time.known_at,)
    return tuple(dict.fromkeys((*columns, *time_columns(time), *known)))


def clock_sql(partitions: Partitions, *, moment: str, arrived_at: str) -> str:
    """Return whether a moment lies in the declared partitions.

    Partitions without a declared end go on with the clock: they end with the one in progress when
    the row arrived, since no later one exists yet to hold it.

    Args:
        partitions: The declared partitions.
        moment: Expression of the moment.
        arrived_at: Expression of the moment at which the row arrived.
    """
    if partitions.end is not None:
        end = moment_literal(partitions.end)
    else:
        now = f"date_trunc('{partitions.every}', timezone('UTC', {arrived_at}))"
        end = f"timezone('UTC', {now} + INTERVAL 1 {partitions.every})"
    return f"({moment} >= {moment_literal(partitions.start)} AND {moment} < {end})"


def landing_sql(
    relation: str,
    *,
    time: EventTime,
    partitions: Partitions,
    columns: Iterable[str],
    file: str,
    arrived_at: datetime,
    fallback: datetime,
    row_offset: int = 0,
) -> str:
    """Return the rows of raw_data that a source's table yields, one a row and none left out.

    A row without a usable event time is placed beside its neighbours: the last placed row above
    it, else the first below, else at ``fallback``.

    Args:
        relation: Table that a source has read: text columns, ``_row``, ``_fault`` and ``_text``.
        time: How the event time is declared.
        partitions: How time is cut.
        columns: The contract's columns.
        file: Digest of the content; its first 16 digits name the file in the lake.
        arrived_at: When the content arrived.
        fallback: Place of rows where no row has a readable time.
        row_offset: Rows of earlier files, for a time that is the order of the rows.

    Returns:
        One SELECT with the columns ``_date``, ``_time``, ``_file``, ``_row``, ``_arrived_at``,
        ``event_time``, ``_fault``, ``_text``, ``_time_text`` (what the event time was read from),
        ``_known_text`` (what known_at will be read from), and then ``columns`` as text.
    """
    names = [quoted(name) for name in columns]
    known = quoted(time.known_at) if time.known_at is not None else "NULL::VARCHAR"
    arrived = moment_literal(arrived_at)
    within = clock_sql(partitions, moment="_event_time", arrived_at=arrived)
    every = "day" if partitions.every == "hour" else partitions.every
    return f"""
WITH told AS (
    SELECT _row, _fault, _text, {event_text_sql(time)} AS _event_text,
        {_joined(time_columns(time))} AS _time_text, {known} AS _known_text,
        {", ".join(f"{name} AS {_kept(name)}" for name in names)}
    FROM {quoted(relation)}
), read AS (
    SELECT *, {event_time_sql(time, text="_event_text", row_offset=row_offset)} AS _event_time
    FROM told
), placed AS (
    SELECT *, CASE WHEN {within} THEN _event_time END AS _place FROM read
), neighboured AS (
    SELECT *, coalesce(
        _place,
        last_value(_place IGNORE NULLS) OVER (ORDER BY _row ROWS UNBOUNDED PRECEDING),
        first_value(_place IGNORE NULLS)
            OVER (ORDER BY _row ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
        {moment_literal(_inside(fallback, partitions))}
    ) AS _time FROM placed
)
SELECT CAST(date_trunc('{every}', timezone('UTC', _time)) AS DATE) AS _date, _time,
    {literal(file[:16])} AS _file, CAST(_row AS BIGINT) AS _row, {arrived} AS _arrived_at,
    _event_time AS event_time, _fault, _text, _time_text, _known_text
    {"".join(f", {_kept(name)} AS {name}" for name in names)}
FROM neighboured
"""


def _joined(names: Iterable[str]) -> str:
    texts = ", ".join(quoted(name) for name in names)
    return f"concat_ws(' ', {texts})" if texts else "NULL::VARCHAR"


def _kept(name: str) -> str:
    # A source may well call a column event_time; inside the statement it must not shadow ours.
    return f'"kept {name[1:]}'


def _inside(moment: datetime, partitions: Partitions) -> datetime:
    if partitions.end is not None:
        moment = min(moment, partitions.end - MICROSECOND)
    return max(moment, partitions.start)
