"""One way to read a time from the texts of some columns, and what it makes of all rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_assets.core.inference.names import identifier
from ml_assets.core.inference.texts import CELLS, Texts, joined_sql
from ml_assets.core.inference.time_formats import formats_of, time_sql

SAMPLE = 100
READABLE = 0.95
EPOCHS = {"epoch_s": r"\d{9,10}(\.\d+)?", "epoch_ms": r"\d{12,13}(\.\d+)?"}
STRONG = frozenset(
    ("timestamp", "datetime", "date", "time", "ts", "date_time", "event_time", "utc", "when")
)
TIME_WORD = re.compile(
    r"(^|_)(date|time|timestamp|datetime|ts|utc|epoch|unix|dt|day|hour|datum|zeit|fecha|at)(_|$)"
    r"|date|time|dteday"
)


@dataclass(frozen=True)
class TimeReading:
    """One way to read an event time.

    Attributes:
        columns: Columns whose texts are joined by a space.
        format: As EventTime takes it.
        read: Rows it reads.
        present: Rows that have a text to read.
        distinct: Different moments.
        mean: Mean moment, in seconds since 1970.
        backward: Rows that lie before the row above them in the file.
        midnight: Whether no moment has a time of day.
        surprises: What was decided by weak evidence.
        rivals: Formats that read the rows as well, to other moments.
    """

    columns: tuple[str, ...]
    format: str
    read: int
    present: int
    distinct: int
    mean: float
    backward: int
    midnight: bool
    surprises: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """SQL of the moment, over the cells."""
        return time_sql(joined_sql(self.columns), self.format)

    @property
    def hinted(self) -> int:
        """How clearly the columns' names speak of time."""
        name = identifier(self.columns[0]).removesuffix("_value")
        return 2 * (name in STRONG) or int(TIME_WORD.search(name) is not None)


def read_as(texts: Texts, columns: Sequence[str], form: str) -> TimeReading:
    """Read all rows in one format."""
    text = joined_sql(columns)
    read, present, distinct, mean, backward, clocked = texts.row(
        f"WITH read AS (SELECT _row, {text} AS text, {time_sql(text, form)} AS t FROM {CELLS}), "
        "followed AS (SELECT *, lag(t) OVER (ORDER BY _row) AS above FROM read) "
        "SELECT count(t), count(text), count(DISTINCT t), avg(epoch(t)), "
        "count(*) FILTER (t < above), count(*) FILTER (epoch_ms(t) % 86400000 != 0) FROM followed"
    )
    return TimeReading(
        tuple(columns), form, read, present, distinct, mean or 0.0, backward, clocked == 0
    )


def best_reading(texts: Texts, columns: Sequence[str]) -> TimeReading | None:
    """Return the format that reads most rows of some columns, if one reads nearly all."""
    sample = texts.spread(columns, limit=SAMPLE)
    readings = _reading_nearly_all(texts, columns, formats_of(sample))
    if not readings:  # packed dates of ten digits are no seconds since 1970
        epochs = [
            name
            for name, shape in EPOCHS.items()
            if sample and all(re.fullmatch(shape, text) for text in sample)
        ]
        readings = _reading_nearly_all(texts, columns, epochs)
    if not readings:
        return None
    most = max(reading.read for reading in readings)
    return _settled(texts, [reading for reading in readings if reading.read == most])


def _reading_nearly_all(
    texts: Texts, columns: Sequence[str], forms: Sequence[str]
) -> list[TimeReading]:
    readings = [read_as(texts, columns, form) for form in forms]
    return [r for r in readings if r.read and r.read >= READABLE * r.present]


def _settled(texts: Texts, equal: list[TimeReading]) -> TimeReading:
    """Choose between formats that read the same rows."""
    first, *others = equal
    if not any(_differ(texts, first, other) for other in others):
        return first
    ordered = [reading for reading in equal if reading.backward == 0]
    if len(ordered) == 1:
        (only,) = ordered
        surprise = (
            f"The rows could be read as {' or '.join(repr(r.format) for r in equal)}; "
            f"only {only.format!r} keeps the file's order."
        )
        return replace(only, surprises=(surprise,))
    return replace(first, rivals=tuple(reading.format for reading in equal))


def _differ(texts: Texts, one: TimeReading, other: TimeReading) -> bool:
    (differing,) = texts.row(
        f"SELECT count(*) FROM {CELLS} WHERE ({one.sql}) IS DISTINCT FROM ({other.sql})"
    )
    return bool(differing)
