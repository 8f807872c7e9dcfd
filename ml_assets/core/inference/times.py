"""Which column, or which columns together, say when a row happened."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ml_assets.core.errors import DataError
from ml_assets.core.inference.names import identifier
from ml_assets.core.inference.texts import CELLS, Texts, joined_sql
from ml_assets.core.inference.time_formats import formats_of, time_sql

SAMPLE = 100
READABLE = 0.95
EPOCHS = {"epoch_s": r"\d{9,10}(\.\d+)?", "epoch_ms": r"\d{12,13}(\.\d+)?"}
STRONG = frozenset("timestamp datetime date time ts date_time event_time utc when".split())
TIME_WORD = re.compile(
    r"(^|_)(date|time|timestamp|datetime|ts|utc|epoch|unix|dt|day|hour|datum|zeit|fecha|at)(_|$)"
    r"|date|time|dteday"
)
PARTS = {
    "%Y": "year yr yyyy anno annee jahr".split(),
    "%m": "month mon mnth mm mo monat".split(),
    "%d": "day dd dy mday day_of_month dayofmonth tag".split(),
    "%H": "hour hr hh hours hour_of_day hourofday time heure stunde hora h".split(),
    "%M": "minute min minutes mi".split(),
    "%S": "second sec seconds ss".split(),
}


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
        "SELECT count(t), count(text), count(DISTINCT t), avg(epoch(t)), "
        "count(*) FILTER (t < above), count(*) FILTER (epoch_ms(t) % 86400000 != 0) FROM (SELECT t, text, lag(t) OVER (ORDER BY _row) AS above "
        f"FROM (SELECT _row, {text} AS text, {time_sql(text, form)} AS t FROM {CELLS}))"
    )
    return TimeReading(
        tuple(columns), form, read, present, distinct, mean or 0.0, backward, clocked == 0
    )


def best_reading(texts: Texts, columns: Sequence[str]) -> TimeReading | None:
    """Return the format that reads most rows of some columns, if one reads nearly all."""
    sample = texts.spread(columns, limit=SAMPLE)
    forms = formats_of(sample)
    forms += [
        name
        for name, shape in EPOCHS.items()
        if sample and all(re.fullmatch(shape, text) for text in sample)
    ]
    readings = [read_as(texts, columns, form) for form in forms]
    readings = [r for r in readings if r.read and r.read >= READABLE * r.present]
    if not readings:
        return None
    most = max(reading.read for reading in readings)
    return _settled(texts, [reading for reading in readings if reading.read == most])


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


def event_time(
    texts: Texts, *, skip: Sequence[str], asked: Sequence[str] = (), form: str | None = None
) -> TimeReading | None:
    """Find the event time.

    Args:
        texts: The file.
        skip: Columns that cannot hold it, such as the target.
        asked: Columns that the user names.
        form: Format that the user names.

    Returns:
        The reading with the finest moments, of equals the best named, then the earliest; None if
        no column tells a time.

    Raises:
        DataError: If the asked columns cannot be read as a time, or no row tells which number is
            the day and which the month.
    """
    found = _asked(texts, asked, form) if asked else _found(texts, skip)
    if found is not None and found.rivals:
        raise _ambiguous(texts, found)
    return found


def _ambiguous(texts: Texts, reading: TimeReading) -> DataError:
    example = texts.spread(reading.columns, limit=1)[0]
    message = (
        f"The times in {' + '.join(reading.columns)} (such as {example!r}) can be read as "
        f"{' or as '.join(map(repr, reading.rivals))}, and no row tells which. Say it with --time "
        f"{' --time '.join(reading.columns)} --time-format {reading.rivals[0]!r}."
    )
    return DataError(message)


def _found(texts: Texts, skip: Sequence[str]) -> TimeReading | None:
    columns = [name for name in texts.names if name not in skip]
    found = [reading for name in columns if (reading := _single(texts, name)) is not None]
    found += [*_dated_clocks(texts, found, columns), *_parts(texts, columns)]
    if not found:
        return None
    finest = max(reading.distinct for reading in found)
    close = [reading for reading in found if reading.distinct >= 0.9 * finest]
    return min(close, key=lambda r: (-r.hinted, len(r.columns), r.mean))


def _asked(texts: Texts, columns: Sequence[str], form: str | None) -> TimeReading:
    reading = read_as(texts, columns, form) if form else best_reading(texts, columns)
    if reading is None or reading.read < 0.5 * reading.present:
        sample = texts.spread(columns, limit=3)
        message = (
            f"{' + '.join(columns)} (such as {sample}) cannot be read as a time"
            f"{f' in the format {form!r}' if form else ''}. Say how with --time-format: 'iso', "
            "'epoch_s', 'epoch_ms' or a strptime format such as '%d/%m/%Y %H:%M'."
        )
        raise DataError(message)
    return reading


def _single(texts: Texts, name: str) -> TimeReading | None:
    reading = best_reading(texts, (name,))
    if reading is None or reading.distinct < 2:
        return None
    digits = all(re.fullmatch(r"[\d.]+", text) for text in texts.spread((name,), limit=20))
    if digits and reading.format == "%Y" and identifier(name) not in PARTS["%Y"]:
        return None
    # A column of plain numbers is a time only if its name or its order says so.
    if digits and not reading.hinted and reading.format != "%Y" and reading.backward:
        return None
    return reading


def _dated_clocks(
    texts: Texts, singles: Iterable[TimeReading], columns: Sequence[str]
) -> Iterable[TimeReading]:
    """Yield readings of a date column with a clock, or hour (minute, second), column beside it."""
    for date in [reading for reading in singles if reading.midnight]:
        for clock in columns:
            if clock in date.columns:
                continue
            named = identifier(clock) in PARTS["%H"]
            sample = texts.spread((clock,), limit=SAMPLE)
            if not (sample and (named or all(re.search(r"[:.h]\d\d", text) for text in sample))):
                continue
            if all(re.fullmatch(r"\d+", text) for text in sample) and not named:
                continue
            reading = best_reading(texts, (*date.columns, clock)) or _midnight(texts, date, clock)
            if reading is None or reading.distinct <= date.distinct:
                continue
            yield reading
            yield from _finer(texts, reading, columns)


def _midnight(texts: Texts, date: TimeReading, hour: str) -> TimeReading | None:
    """Read a date that carries a useless 00:00:00, with an hour beside it."""
    form = "%Y-%m-%d" if date.format == "iso" else date.format
    for zero in (" 00:00:00", " 00:00", "T00:00:00", " 0:00"):
        reading = read_as(texts, (*date.columns, hour), f"{form}{zero} %H")
        if reading.read and reading.read >= READABLE * reading.present:
            return reading
    return None


def _finer(texts: Texts, reading: TimeReading, columns: Sequence[str]) -> Iterable[TimeReading]:
    """Yield the reading with the minute, and the second, columns beside it."""
    if not reading.format.endswith("%H"):
        return
    named = {identifier(name): name for name in columns}
    for part in ("%M", "%S"):
        found = next((named[word] for word in PARTS[part] if word in named), None)
        if found is None:
            return
        reading = read_as(texts, (*reading.columns, found), f"{reading.format} {part}")
        yield reading


def _parts(texts: Texts, columns: Sequence[str]) -> Iterable[TimeReading]:
    """Yield the reading of year, month, day, hour … in columns of their own."""
    named = {identifier(name): name for name in reversed(columns)}
    chosen: list[str] = []
    forms: list[str] = []
    for part, words in PARTS.items():
        found = next((named[word] for word in words if word in named), None)
        if found is None:
            break
        forms.append(_part_form(texts, found, part))
        chosen.append(found)
        if part == "%Y":
            continue
        reading = read_as(texts, chosen, " ".join(forms))
        if reading.read < READABLE * reading.present or not reading.read:
            break
        yield reading


def _part_form(texts: Texts, name: str, part: str) -> str:
    sample = texts.spread((name,), limit=SAMPLE)
    if part == "%m" and all(re.fullmatch(r"[A-Za-z]{3,}", text) for text in sample):
        return "%b" if all(len(text) == 3 for text in sample) else "%B"
    if part == "%Y" and all(re.fullmatch(r"\d{2}", text) for text in sample):
        return "%y"
    return part
