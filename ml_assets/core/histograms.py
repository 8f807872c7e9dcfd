"""Counts over fixed bins: what drift is judged on, because counts of any two windows add up.

The bins are those of a reference and never move. A numeric column is cut at quantiles, put between
the values that occur, so that an integer never sits on an edge. A categorical column has one bin
for each frequent category, one for the other known ones, and one for those never seen.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, Self

import numpy as np
import pandas as pd

ValueKind = Literal["float", "string"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Tails are cut finely, so that a few outliers show; the middle in steps of 5 %.
TAIL = (0.001, 0.005, 0.01, 0.025)
PROBABILITIES = (*TAIL, *(step / 20 for step in range(1, 20)), *(1 - tail for tail in TAIL[::-1]))
MIN_ATOM = 0.005
MIN_CATEGORY = 0.005
MAX_KNOWN = 500
MAX_TEXT = 128  # whylogs keeps this much of a text
REST = "\x1fother categories"  # stands for rare categories that a profile did not keep apart


def window_start(moment: datetime, length: timedelta) -> datetime:
    """Return the start of the window that holds a moment; windows are counted from 1970.

    Example:
        >>> window_start(datetime(2024, 5, 15, 7, 30, tzinfo=UTC), timedelta(hours=6)).hour
        6
    """
    return EPOCH + (moment - EPOCH) // length * length


def numbers(column: pd.Series) -> np.ndarray:
    """Return a column as float64, NaN where there is no finite number.

    Example:
        >>> numbers(pd.Series(["1.5", None, "inf", "x"])).tolist()
        [1.5, nan, nan, nan]
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def texts(column: pd.Series) -> np.ndarray:
    """Return a column as text of at most 128 characters, None where it is missing.

    Example:
        >>> texts(pd.Series(["a", None, 3], dtype=object)).tolist()
        ['a', None, '3']
    """
    present = column.notna().to_numpy()
    values = np.full(len(column), None, dtype=object)
    values[present] = [str(value)[:MAX_TEXT] for value in column[present]]
    return values


@dataclass(frozen=True, eq=False)
class ColumnCounts:
    """How often each bin of one column was hit.

    Attributes:
        bins: One count a bin (int64).
        missing: Rows without a value.
        low: Smallest value, for numbers.
        high: Largest value, for numbers.
        mean: Mean, for numbers.
        squares: Sum of the squared distances from the mean, for numbers.
    """

    bins: np.ndarray
    missing: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    squares: float | None = None

    @cached_property
    def present(self) -> int:
        """Rows with a value."""
        return int(self.bins.sum())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.present + self.missing

    @property
    def deviation(self) -> float | None:
        """Standard deviation, for numbers."""
        return None if self.squares is None else (self.squares / self.present) ** 0.5

    def __add__(self, other: Self) -> Self:
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return type(self)(
            self.bins + other.bins,
            self.missing + other.missing,
            min(lows, default=None),
            max(highs, default=None),
            *_joint_moments(self, other),
        )


def _joint_moments(one: ColumnCounts, other: ColumnCounts) -> tuple[float | None, float | None]:
    """Return mean and squares of two sets of numbers together (Chan, Golub, LeVeque 1983)."""
    if one.mean is None or one.squares is None:
        return other.mean, other.squares
    if other.mean is None or other.squares is None:
        return one.mean, one.squares
    rows, gap = one.present + other.present, other.mean - one.mean
    squares = one.squares + other.squares + gap**2 * one.present * other.present / rows
    return one.mean + gap * other.present / rows, squares


@dataclass(frozen=True)
class NumericBins:
    """Bins of a numeric column: bin i holds edge[i-1] <= value < edge[i]."""

    edges: tuple[float, ...]

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        """Cut at the quantiles of ``values`` and around values that occur often.

        Example:
            >>> NumericBins.fit(np.array([1.0, 2.0, 2.0, 3.0])).edges
            (1.5, 2.5)
        """
        support, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        if len(support) == 0:
            return cls(())
        if len(support) == 1:  # one bin for the constant, and one on either side
            return cls((float(support[0]), float(np.nextafter(support[0], np.inf))))
        share = np.cumsum(counts) / counts.sum()
        below = np.minimum(np.searchsorted(share, PROBABILITIES), len(support) - 1)
        atoms = np.flatnonzero(counts >= max(2, MIN_ATOM * counts.sum()))
        upper = np.unique(np.concatenate([below, atoms, atoms + 1]))
        upper = upper[(upper > 0) & (upper < len(support))]
        between = (support[upper - 1] + support[upper]) / 2
        return cls(tuple(np.unique(between).tolist()))

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.edges) + 1

    def count(self, values: np.ndarray) -> ColumnCounts:
        """Count float64 ``values``; NaN is missing.

        Example:
            >>> NumericBins((1.5, 2.5)).count(np.array([1.0, 2.0, 9.0, np.nan])).bins.tolist()
            [1, 1, 1]
        """
        present = values[~np.isnan(values)]
        places = np.searchsorted(self.edges, present, side="right")
        return ColumnCounts(
            np.bincount(places, minlength=self.size),
            len(values) - len(present),
            *_described(present),
        )


def _described(values: np.ndarray) -> tuple[float | None, ...]:
    if len(values) == 0:
        return None, None, None, None
    mean = float(values.mean())
    squares = float(np.sum((values - mean) ** 2))
    return float(values.min()), float(values.max()), mean, squares


@dataclass(frozen=True)
class CategoryBins:
    """Bins of a categorical column: the frequent ones, the other known ones, the unseen ones.

    Attributes:
        frequent: Categories with a bin of their own.
        known: The other categories of the reference.
        complete: Whether ``known`` holds them all; if not, a new category cannot be told from a
            rare one and counts as other.
    """

    frequent: tuple[str, ...]
    known: tuple[str, ...]
    complete: bool = True

    @classmethod
    def fit(cls, values: np.ndarray) -> Self:
        """Give each category with at least 0.5 % of the values a bin.

        Example:
            >>> CategoryBins.fit(np.array(["b"] * 300 + ["a"] * 200 + ["c"], dtype=object))
            CategoryBins(frequent=('b', 'a'), known=('c',), complete=True)
        """
        tally = _tally(values)
        ordered = sorted(tally, key=lambda name: (-tally[name], name))
        enough = MIN_CATEGORY * sum(tally.values())
        complete = len(ordered) <= MAX_KNOWN
        frequent = tuple(name for name in ordered if tally[name] >= enough)
        return cls(frequent, tuple(ordered[len(frequent) :]) if complete else (), complete)

    @property
    def size(self) -> int:
        """Number of bins: the frequent categories, the other known ones, the unseen ones."""
        return len(self.frequent) + 2

    def count(self, values: np.ndarray) -> ColumnCounts:
        """Count texts; None is missing."""
        tally = _tally(values)
        present = sum(tally.values())
        return self.count_items(tally, present=present, missing=len(values) - present)

    def count_items(self, items: Mapping[str, int], *, present: int, missing: int) -> ColumnCounts:
        """Count categories that were tallied elsewhere.

        Args:
            items: Rows of each category; rare ones may have been left out.
            present: Rows with a value, those of left-out categories included.
            missing: Rows without a value.
        """
        frequent = [items.get(name, 0) for name in self.frequent]
        told_apart = {*self.frequent, *self.known, REST}
        unseen = sum(rows for name, rows in items.items() if name not in told_apart)
        unseen = unseen if self.complete else 0
        other = present - sum(frequent) - unseen
        return ColumnCounts(np.array([*frequent, other, unseen], dtype=np.int64), missing)


def _tally(values: np.ndarray) -> dict[str, int]:
    return Counter(value for value in values if value is not None)


Bins = NumericBins | CategoryBins


def fit_bins(column: pd.Series, kind: ValueKind) -> Bins:
    """Return the bins of a reference column."""
    match kind:
        case "float":
            return NumericBins.fit(numbers(column))
        case "string":
            return CategoryBins.fit(texts(column))


def count_column(column: pd.Series, bins: Bins) -> ColumnCounts:
    """Count a column of raw values in the bins of a reference."""
    match bins:
        case NumericBins():
            return bins.count(numbers(column))
        case CategoryBins():
            return bins.count(texts(column))


@dataclass(frozen=True, eq=False)
class WindowCounts:
    """The counts of all columns in one stretch of production.

    Attributes:
        start: Start of the stretch.
        rows: Predictions made in it.
        columns: Counts by column; a column that did not arrive is left out.
    """

    start: datetime
    rows: int
    columns: Mapping[str, ColumnCounts]

    @classmethod
    def of(cls, frame: pd.DataFrame, bins: Mapping[str, Bins], *, start: datetime) -> Self:
        """Count the rows of ``frame``."""
        known = [name for name in bins if name in frame]
        columns = {name: count_column(frame[name], bins[name]) for name in known}
        return cls(start, len(frame), columns)

    def __add__(self, other: Self) -> Self:
        columns = dict(self.columns)
        for name, counts in other.columns.items():
            columns[name] = columns[name] + counts if name in columns else counts
        return type(self)(min(self.start, other.start), self.rows + other.rows, columns)
