"""Consecutive stretches of the reference: what calibrates every test.

Rows of production are not independent: neighbours in time resemble each other. So the spread of
every statistic is measured on stretches as long as a window, in the order of time, and on longer
ones, as long as the longer lengths that are judged. Where a season is declared, each stretch is
compared with the reference's rows of the same phases, and so is production.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

MIN_CHUNKS = 8
MIN_CHUNK_ROWS = 20
ONE_SIDED = 2.33  # normal quantile of 1 %: what chance alone hardly ever exceeds


@dataclass(frozen=True, eq=False)
class Chunks:
    """Counts of one column in stretches of one length.

    Attributes:
        windows: Length of each stretch, in windows; below 1 where there were too few whole ones.
        bins: Counts, shape (chunks, bins).
        missing: Missing values, shape (chunks,).
        phases: Rows by phase of the season, shape (chunks, phases).
    """

    windows: float
    bins: np.ndarray
    missing: np.ndarray
    phases: np.ndarray

    @property
    def rows_per_window(self) -> float:
        """Values that a window usually holds."""
        return max(1.0, float(self.bins.sum(axis=1).mean()) / self.windows)


@dataclass(frozen=True, eq=False)
class Expected:
    """What the reference leads to expect of some rows.

    Attributes:
        shares: Share of each bin.
        rows: Independent rows that would tell the shares as surely.
    """

    shares: np.ndarray
    rows: float

    @classmethod
    def of(cls, by_phase: np.ndarray, mix: np.ndarray | None = None) -> "Expected":
        """Return the shares of a mix of phases.

        Args:
            by_phase: Reference counts, shape (phases, bins).
            mix: Rows by phase, of which at least one phase must occur in the reference. None takes
                the reference as it is.
        """
        rows = by_phase.sum(axis=1)
        if mix is None or len(by_phase) == 1:
            total = rows.sum()
            return cls(by_phase.sum(axis=0) / total, float(total))
        # A stretch of the reference holds no value either where its phase never had one.
        used = (mix > 0) & (rows > 0)
        weights = mix[used] / mix[used].sum()
        shares = weights @ (by_phase[used] / rows[used][:, None])
        return cls(shares, float(1 / np.sum(weights**2 / rows[used])))


def phase_of(start: datetime, window: timedelta, phases: int) -> int:
    """Return which phase of its season a window is, counted from 1970 on.

    Example:
        >>> from datetime import UTC
        >>> phase_of(datetime(2024, 1, 1, 7, tzinfo=UTC), timedelta(hours=1), 24)
        7
    """
    return int(start.timestamp() // window.total_seconds()) % phases


def phases_in(season: timedelta | None, window: timedelta) -> int:
    """Return how many windows a season has; 1 where none is declared."""
    return 1 if season is None else max(1, round(season / window))


def cut(rows: int, *, window_rows: int, windows: int, most: int) -> list[slice]:
    """Return stretches of ``windows`` windows, spread evenly from the oldest row to the newest.

    Too few whole windows are cut shorter, down to 20 rows, because fewer than 8 chunks cannot
    calibrate a test. Longer stretches are not: then there are none.
    """
    length = window_rows * windows
    count = min(most, rows // max(1, length))
    if count < MIN_CHUNKS:
        if windows > 1:
            return []
        count = max(1, min(MIN_CHUNKS, rows // MIN_CHUNK_ROWS))
        length = min(length, rows // count)
    return list(_spread(rows, count, length))


def _spread(rows: int, count: int, length: int) -> Iterator[slice]:
    for index in range(count):
        start = round(index * (rows - length) / max(1, count - 1))
        yield slice(start, start + length)


def finite_reference(rows: np.ndarray, total: float | np.ndarray) -> np.ndarray:
    """Return the factor that undoes a chunk's being part of the reference it is compared with."""
    return 1 / np.maximum(1 - rows / total, 1e-9)


def noticeable(freedom: float) -> float:
    """Return the mean square that ``freedom`` independent standard normals hardly ever exceed."""
    return 1 + ONE_SIDED * (2 / freedom) ** 0.5


def growth_exponent(spreads: Mapping[float, tuple[float, int]]) -> float | None:
    """Return g where the design effect grows with a window's length as length ** g.

    Memory much shorter than a window gives 0; a level that wanders for weeks comes near 1. Growth
    within what chance explains counts as none. Of one length alone nothing follows: None.

    Args:
        spreads: Mean square of the standardised statistic and number of chunks, by length.

    Example:
        >>> growth_exponent({1: (2.0, 40), 4: (2.2, 20)})
        0.0
        >>> growth_exponent({1: (2.0, 40), 4: (8.0, 20)})
        1.0
    """
    if 1 not in spreads or len(spreads) == 1:
        return None
    spread, count = spreads[1]
    found = [0.0]
    for length, (longer, chunks) in spreads.items():
        ratio = max(longer, 1.0) / max(spread, 1.0)
        if length > 1 and ratio > 1 + ONE_SIDED * (2 / count + 2 / chunks) ** 0.5:
            found.append(float(np.log(ratio) / np.log(length)))
    return min(1.0, max(found))
