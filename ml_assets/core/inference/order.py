"""When each row happened: by its time, or by its place in the file."""

from collections.abc import Sequence as Names
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.inference.durations import at_least, iso
from ml_assets.core.inference.texts import CELLS, PLAIN_INTEGER, Texts
from ml_assets.core.inference.times import event_time
from ml_assets.core.inference.values import Doubt
from ml_assets.core.problem import Sequence
from ml_assets.core.problem.time import ISO

# Minutes a row, by the number of rows they are good for.
STEPS = ((3_000, 60), (60_000, 10), (float("inf"), 1))
FEWEST_STEPS = 10
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Order:
    """How the event time of a row is found.

    Attributes:
        columns: Columns it is read from.
        sql: SQL of the moment, over the cells.
        format: How the joined texts are read.
        sequence: The order that stands for time, if nothing tells it.
        backward: Rows that lie before the row above them in the file.
        counted: Whether ``sequence`` counts the steps of several entities: then its column is a
            value like others, too.
        doubts: What should be looked at.
    """

    columns: tuple[str, ...]
    sql: str
    format: str = ISO
    sequence: Sequence | None = None
    backward: int = 0
    counted: bool = False
    doubts: tuple[Doubt, ...] = ()


def find_order(texts: Texts, asked: Names[str], form: str | None, *, skip: Names[str]) -> Order:
    """Return how the event time is found.

    Args:
        texts: The file.
        asked: Columns the user names.
        form: Format the user names.
        skip: Columns that cannot tell it.
    """
    reading = event_time(texts, skip=skip, asked=asked, form=form)
    if reading is None:
        return _by_place(texts, skip)
    doubts = [Doubt("time", text) for text in reading.surprises]
    rows = texts.row(f"SELECT count(*) FROM {CELLS}")[0]
    if reading.read < rows:
        text = f"{rows - reading.read:,} rows have no readable time and will be rejected."
        doubts.append(Doubt("time", text))
    return Order(
        reading.columns,
        reading.sql,
        format=reading.format,
        backward=reading.backward,
        doubts=tuple(doubts),
    )


def _by_place(texts: Texts, skip: Names[str]) -> Order:
    """Let the rows follow one another at a step that makes tens to hundreds of days."""
    counted = _steps_of_entities(texts, [name for name in texts.names if name not in skip])
    if counted is not None:
        column, key = counted
        text = f"No column tells a time: {column!r} counts the steps of each {key!r}, PT1H a step."
        order = _sequence(timedelta(hours=1), ORIGIN, column, Doubt("time", text))
        return replace(order, counted=True)
    rows = texts.row(f"SELECT count(*) FROM {CELLS}")[0]
    step = next(timedelta(minutes=length) for most, length in STEPS if rows <= most)
    column = next((name for name in texts.names if name not in skip and counts(texts, name)), None)
    by = f"the column {column!r}" if column else "the order of the file"
    text = f"No column tells a time: {by} stands for it, {iso(step)} a row. Name one with --time."
    return _sequence(step, ORIGIN, column, Doubt("time", text))


def in_file_order(texts: Texts, order: Order) -> Order:
    """Return the order of the file, spread over the span that a coarse time tells."""
    first, last, rows = texts.row(
        f"SELECT epoch_us(min(t)), epoch_us(max(t)), count(*) FROM (SELECT {order.sql} AS t "
        f"FROM {CELLS})"
    )
    step = at_least(timedelta(microseconds=max(1, last - first)) / rows)
    origin = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=first)
    text = (
        f"{' + '.join(order.columns)} hardly tells rows apart: the order of the file stands for "
        f"time, {iso(step)} a row. If rows belong to several things, name their --key."
    )
    return _sequence(step, origin, None, Doubt("time", text))


def _sequence(step: timedelta, origin: datetime, column: str | None, doubt: Doubt) -> Order:
    place = f"try_cast({quoted(column)} AS BIGINT)" if column else "(_row - 1)"
    microseconds = step // timedelta(microseconds=1)
    return Order(
        columns=(column,) if column else (),
        sql=f"{literal(origin)} + to_microseconds({microseconds} * {place})",
        sequence=Sequence(column=column, step=step, origin=origin),
        doubts=(doubt,),
    )


def counts(texts: Texts, name: str) -> bool:
    """Return whether a column numbers the rows without a gap, in whatever order."""
    number = f"try_cast({quoted(name)} AS BIGINT)"
    whole, distinct, low, high, rows = texts.row(
        f"SELECT count(*) FILTER (regexp_full_match({quoted(name)}, '{PLAIN_INTEGER}')), "
        f"count(DISTINCT {number}), min({number}), max({number}), count(*) FROM {CELLS}"
    )
    return whole == distinct == rows and high - low == rows - 1 and low in (0, 1)


def _steps_of_entities(texts: Texts, names: Names[str]) -> tuple[str, str] | None:
    """Return a column that counts 1, 2, 3 … anew for each value of another, and that other."""
    rows = texts.row(f"SELECT count(*) FROM {CELLS}")[0]
    # Of two that fit each other, the longer one counts: 100 cycles of 20 engines.
    counters = sorted(names, key=lambda name: -_length(texts, name))
    for column in (name for name in counters if _length(texts, name)):
        number = f"try_cast({quoted(column)} AS BIGINT)"
        for key in names:
            entities, whole = texts.row(
                "SELECT count(*), count(*) FILTER (n = different AND n = high - low + 1 "
                f"AND low < 2) FROM (SELECT count(*) AS n, count(DISTINCT {number}) AS different, "
                f"min({number}) AS low, max({number}) AS high FROM {CELLS} "
                f"GROUP BY {quoted(key)})"
            )
            if key != column and 2 <= entities <= rows / FEWEST_STEPS and whole == entities:
                return column, key
    return None


def _length(texts: Texts, name: str) -> int:
    """Return how far a column counts that starts at 0 or 1 and repeats; 0 if it does not."""
    number = f"try_cast({quoted(name)} AS BIGINT)"
    whole, low, distinct, rows = texts.row(
        f"SELECT count(*) FILTER (regexp_full_match({quoted(name)}, '{PLAIN_INTEGER}')), "
        f"min({number}), count(DISTINCT {number}), count(*) FROM {CELLS}"
    )
    return distinct if whole == rows and low in (0, 1) and FEWEST_STEPS <= distinct < rows else 0
