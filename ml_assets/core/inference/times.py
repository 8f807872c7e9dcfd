"""Which column, or which columns together, say when a row happened."""

import re
from collections.abc import Sequence

from ml_assets.core.errors import DataError
from ml_assets.core.inference.names import identifier
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.time_parts import PARTS, dated_clocks, parts
from ml_assets.core.inference.time_readings import TimeReading, best_reading, read_as


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
    found += [*dated_clocks(texts, found, columns), *parts(texts, columns)]
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
