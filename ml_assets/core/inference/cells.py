"""How cells say "a number" and "nothing": the decimal mark and the null words."""

from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.texts import CELLS, Texts, number_sql
from ml_assets.core.inference.values import Doubt

# Taken for missing in any column.
USUAL = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?", "NaT", "<NA>", "#N/A")
# Taken for missing only where the rest of the column is numbers: elsewhere they may be a value.
IN_NUMBERS = (
    "-", "--", "---", ".", "*", "None", "none", "NONE", "nil", "n/a", "na", "Null", "missing",
    "Missing", "MISSING", "nd", "ND", "N.D.", "#NA", "#VALUE!", "#DIV/0!", "(null)", "\\N",
    "unknown", "Unknown", "error", "Error", "inf", "-inf", "Infinity", "-Infinity",
)  # fmt: skip
NOT_FINITE = frozenset(("inf", "-inf", "Infinity", "-Infinity"))
MOSTLY_NUMBERS = 0.9


def decimal_mark(texts: Texts) -> str:
    """Return the decimal mark that most fractions in the file are written with.

    Example:
        >>> import pyarrow as pa
        >>> decimal_mark(Texts(pa.table({"a": ["2,6", "2"], "b": ["1360", "11,95"]})))
        ','
        >>> decimal_mark(Texts(pa.table({"thousands": ["1,204", "12,310"]})))
        '.'
    """
    commas = points = longer = 0
    for name in texts.names:
        cell = quoted(name)
        comma, point, odd = texts.row(
            f"SELECT count(*) FILTER (regexp_full_match({cell}, '[+-]?\\d*,\\d+')), "
            f"count(*) FILTER (regexp_full_match({cell}, '[+-]?\\d*\\.\\d+')), "
            # Groups of three digits may be thousands; any other length is a fraction.
            f"count(*) FILTER (regexp_full_match({cell}, '[+-]?\\d*,(\\d{{1,2}}|\\d{{4,}})')) "
            f"FROM {CELLS}"
        )
        commas, points, longer = commas + comma, points + point, longer + odd
    return "," if longer and commas > points else "."


def null_words(texts: Texts, *, decimal: str) -> tuple[tuple[str, ...], list[Doubt]]:
    """Return the words that stand for a missing value in this file, and what is doubtful.

    Args:
        texts: The file.
        decimal: Decimal mark of numbers.
    """
    found: set[str] = set()
    wanted: dict[str, str] = {}
    elsewhere: set[str] = set()
    for name in texts.names:
        number = number_sql(name, decimal=decimal)
        numbers, present = texts.row(f"SELECT count({number}), count({quoted(name)}) FROM {CELLS}")
        words = dict(texts.frequent(name, limit=40, where=f"({number}) IS NULL"))
        found.update(words.keys() & set(USUAL))
        rest = words.keys() - set(USUAL)
        known = rest & set(IN_NUMBERS)
        if numbers and rest == known and numbers >= 0.5 * (numbers + sum(words[w] for w in known)):
            wanted.update(dict.fromkeys(known - NOT_FINITE, name))
        elif numbers >= MOSTLY_NUMBERS * present and len(rest) <= 3:
            repeated = {word for word in rest if words[word] > 1 or word in IN_NUMBERS}
            wanted.update(dict.fromkeys(repeated - NOT_FINITE, name))
        else:
            elsewhere |= rest
    doubts = [
        Doubt(column, f"{word!r} stands for a missing value among its numbers.")
        for word, column in sorted(wanted.items())
        if word not in elsewhere
    ]
    doubts += [
        Doubt(column, f"{word!r} looks like a missing value here, but is a value elsewhere.")
        for word, column in sorted(wanted.items())
        if word in elsewhere
    ]
    return tuple(sorted(found | (wanted.keys() - elsewhere))), doubts
