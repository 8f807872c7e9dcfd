"""Numbers that mean "no value": -200, -999, 9999 and their like."""

from collections.abc import Mapping, Sequence

from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.texts import Texts

SUSPECTS = (-1, -9, -99, -100, -200, -999, -9999, -99999, 99, 999, 9999, 99999, 999999)
SUSPECTS_TOO = (-9.99, -99.9, -999.9, -999.99, -9999.9, 999.9, 9999.9, -32768, 65535)


def sentinels(texts: Texts, table: str, columns: Sequence[str]) -> Mapping[str, tuple[float, ...]]:
    """Return the numbers that stand for a missing value, by column.

    A suspect counts if it repeats, is the column's extreme, and lies away from all other values
    by at least half of their range (a positive one: all of it); or by less, but below zero where
    all others are not, and the same number passed the harder test in another column.

    Args:
        texts: Holds ``table``.
        table: Table of typed columns.
        columns: Numeric columns of ``table``.
    """
    seen = {name: _extremes(texts, table, name) for name in columns}
    sure = {
        (name, value)
        for name, extremes in seen.items()
        for value, gap, width, _ in extremes
        if gap >= 0.5 * width
    }
    shared = {value for _, value in sure}
    found: dict[str, tuple[float, ...]] = {}
    for name, extremes in seen.items():
        values = tuple(
            value
            for value, gap, width, alone_negative in extremes
            if (name, value) in sure or (value in shared and alone_negative and gap >= 0.02 * width)
        )
        if values:
            found[name] = values
    return found


def _extremes(texts: Texts, table: str, name: str) -> list[tuple[float, float, float, bool]]:
    """Return suspects at either end: value, gap to the rest, range of the rest, sign alone."""
    column = quoted(name)
    suspects = ", ".join(str(value) for value in (*SUSPECTS, *SUSPECTS_TOO))
    counts: dict[float, int] = dict(
        texts.rows(
            f"SELECT {column}, count(*) FROM {table} WHERE {column} IN ({suspects}) GROUP BY 1"
        )
    )
    found: list[tuple[float, float, float, bool]] = []
    for value, count in sorted(counts.items(), key=lambda pair: -abs(pair[0])):
        others = "".join(f" AND {column} != {other}" for other, *_ in found)
        low, high, kinds, rows = texts.row(
            f"SELECT min({column}), max({column}), count(DISTINCT {column}), count({column}) "
            f"FROM {table} WHERE {column} != {value}{others}"
        )
        # A code among few codes (-1, 0, 1) or the larger half of a column is no sentinel.
        if count < 3 or kinds < 5 or count > 20 * rows:
            continue
        gap = low - value if value < low else value - high
        if gap > 0:
            found.append((float(value), gap, high - low, value < 0 <= low))
    return found
