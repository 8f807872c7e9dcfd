"""How cells say "nothing": the null words."""

from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.marks import Marks
from ml_assets.core.inference.texts import CELLS, Texts
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


def null_words(texts: Texts, marks: Marks) -> tuple[tuple[str, ...], list[Doubt]]:
    """Return the words that stand for a missing value in this file, and what is doubtful.

    Args:
        texts: The file.
        marks: How its numbers are written.
    """
    found: set[str] = set()
    wanted: dict[str, str] = {}
    elsewhere: set[str] = set()
    for name in texts.names:
        number = marks.number_sql(name)
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
