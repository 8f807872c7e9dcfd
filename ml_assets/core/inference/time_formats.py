"""The ways in which a text can be a time: which strptime formats read it."""

import re
from collections.abc import Iterable
from functools import cache

from ml_assets.core.inference.texts import text_literal
from ml_assets.core.problem.time import ISO

# What format: iso reads.
ISO_TEXT = (
    r"\d{4}-\d{2}-\d{2}"
    r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?"
)
DATES = (
    *(f"%Y{s}%m{s}%d" for s in "-/. "),
    *(f"%d{s}%m{s}%Y" for s in "/.- "),
    *(f"%m{s}%d{s}%Y" for s in "/.- "),
    *(f"%d{s}%m{s}%y" for s in "/.- "),
    *(f"%m{s}%d{s}%y" for s in "/.- "),
    *(f"%y{s}%m{s}%d" for s in "/.- "),
    *(f"%d{s}%b{s}%Y" for s in "- /"),
    *(f"%d{s}%b{s}%y" for s in "- /"),
    *(f"%Y{s}%b{s}%d" for s in "- /"),
    "%d %B %Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%b %d %Y",
    "%Y%m%d",
)
CLOCKS = (
    "%H:%M:%S",
    "%H:%M",
    "%H:%M:%S.%f",
    "%I:%M:%S %p",
    "%I:%M %p",
    "%I:%M:%S%p",
    "%I:%M%p",
    "%I %p",
    "%H.%M.%S",
    "%H.%M",
    "%H-%M-%S",
    "%Hh%M",
    "%H%M%S",
    "%H%M",
    "%H",
)
JOINS = (" ", "T", "  ", ", ", "-", "_", ":", "")
MONTHS = (
    "%Y-%m", "%Y/%m", "%Y.%m", "%m/%Y", "%m-%Y", "%b-%y", "%b %y", "%b-%Y", "%b %Y", "%B %Y",
    "%Y-%b", "%YM%m", "%Y %m",
)  # fmt: skip
YEAR = "%Y"
ENDINGS = ("", "Z", " UTC", " GMT")
WHOLE = ("%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S", "%m%d%Y", "%d%m%Y")
# Dates before and after these years are not believed: a wrong format often yields the year 12.
FIRST_YEAR, LAST_YEAR = 1500, 2150
_DIGITS = {"Y": r"\d{4}", "y": r"\d{2}", "j": r"\d{1,3}", "f": r"\d{1,6}"}
_LETTERS = {"b": r"[A-Za-z]{3}", "B": r"[A-Za-z]{3,}", "p": r"[AaPp][Mm]", "a": r"[A-Za-z]{3}"}


@cache
def _shape(form: str) -> re.Pattern[str]:
    # Without separators only fixed widths can be told apart.
    packed = re.search(r"%[a-zA-Z]%[a-zA-Z]", form.replace("%p", "")) is not None
    width = r"\d{2}" if packed else r"\d{1,2}"
    parts = re.split(r"%([a-zA-Z])", form)
    texts = [
        re.escape(part) if at % 2 == 0 else _DIGITS.get(part) or _LETTERS.get(part) or width
        for at, part in enumerate(parts)
    ]
    return re.compile("".join(texts))


def _of_the_shape(text: str) -> Iterable[str]:
    for form in (*DATES, *MONTHS, *WHOLE, YEAR):
        if _shape(form).fullmatch(text):
            yield form
    for date in DATES:
        found = _shape(date).match(text)
        if found is None or found.end() == len(text):
            continue
        rest = text[found.end() :]
        for join in JOINS:
            if not rest.startswith(join) or (join == "" and date != "%Y%m%d"):
                continue
            for clock in CLOCKS:
                for ending in ENDINGS:
                    if _shape(clock + ending).fullmatch(rest[len(join) :]):
                        yield date + join + clock + ending
    for clock in CLOCKS:
        for date in DATES:
            if _shape(f"{clock} {date}").fullmatch(text):
                yield f"{clock} {date}"


def formats_of(texts: Iterable[str]) -> list[str]:
    """Return the formats whose shape most of some texts have, 'iso' first.

    Example:
        >>> formats_of(["2012-10-02 09:00", "2012-10-02T10:00:00Z"])
        ['iso']
        >>> formats_of(["02/10/2012 09:00"])
        ['%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M']
        >>> formats_of(["10/2/12 9:00 AM"])
        ['%d/%m/%y %I:%M %p', '%m/%d/%y %I:%M %p', '%y/%m/%d %I:%M %p']
        >>> formats_of(["20150101:0010"])
        ['%Y%m%d:%H%M']
    """
    seen = list(dict.fromkeys(texts))
    counts: dict[str, int] = {}
    for text in seen:
        names = [ISO] if re.fullmatch(ISO_TEXT, text) else dict.fromkeys(_of_the_shape(text))
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    most = [name for name, count in counts.items() if count >= 0.6 * len(seen)]
    return sorted(most, key=lambda name: name != ISO)


def time_sql(text: str, form: str) -> str:
    """Return SQL for the moment that a text names, as TIMESTAMPTZ in UTC, or NULL.

    Args:
        text: SQL of the text.
        form: 'iso', 'epoch_s', 'epoch_ms' or a strptime format.
    """
    match form:
        case "iso":
            read = f"CASE WHEN regexp_full_match({text}, '{ISO_TEXT}') "
            return read + f"THEN try_cast({text} AS TIMESTAMPTZ) END"
        case "epoch_s":
            return f"to_timestamp(try_cast({text} AS DOUBLE))"
        case "epoch_ms":
            return f"to_timestamp(try_cast({text} AS DOUBLE) / 1000)"
    read = f"try_strptime({text}, {text_literal(form)})"
    return (
        f"CASE WHEN year({read}) BETWEEN {FIRST_YEAR} AND {LAST_YEAR} "
        f"THEN timezone('UTC', {read}) END"
    )
