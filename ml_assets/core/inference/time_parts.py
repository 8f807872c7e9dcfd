"""Times that are spread over columns: a date and a clock; year, month, day and hour."""

import re
from collections.abc import Iterable, Sequence

from ml_assets.core.inference.names import identifier
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.time_readings import (
    READABLE,
    SAMPLE,
    TimeReading,
    best_reading,
    read_as,
)

# Names of columns that hold one part of a time, by the directive that reads it.
PARTS = {
    "%Y": ["year", "yr", "yyyy", "anno", "annee", "jahr"],
    "%m": ["month", "mon", "mnth", "mm", "mo", "monat"],
    "%d": ["day", "dd", "dy", "mday", "day_of_month", "dayofmonth", "tag"],
    "%H": [
        "hour",
        "hr",
        "hh",
        "hours",
        "hour_of_day",
        "hourofday",
        "time",
        "heure",
        "stunde",
        "hora",
        "h",
    ],
    "%M": ["minute", "min", "minutes", "mi"],
    "%S": ["second", "sec", "seconds", "ss"],
}


def dated_clocks(
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


def parts(texts: Texts, columns: Sequence[str]) -> Iterable[TimeReading]:
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
