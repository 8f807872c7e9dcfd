"""Intervals for means over rows that depend on each other in time.

Circular block bootstrap (Künsch 1989, Annals of Statistics 17; Politis & Romano 1992): whole
blocks of consecutive moments are drawn with replacement, wrapping round at the end, so that a
resample keeps the dependence within a block. The unit is the moment, not the row: rows with the
same time are drawn together, since machines that share an hour share its weather.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 1000
MICROSECONDS_A_DAY = 86_400_000_000
_DAYS_NEEDED = 20  # fewer blocks of a day than this would understate the spread
_CELLS_AT_ONCE = 4_000_000  # 32 MB of float64


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval; NaN bounds where none can be computed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Blocks:
    """Resampled blocks of moments: the same for all that is compared, so comparisons are paired.

    Attributes:
        first: Position of the first row of each moment, ascending, shape (moments,).
        rows: Number of rows.
        length: Moments in a block.
        starts: First moment of each drawn block, shape (resamples, blocks).
    """

    first: npt.NDArray[np.intp]
    rows: int
    length: int
    starts: npt.NDArray[np.int32]

    @classmethod
    def draw(
        cls,
        times: npt.NDArray[np.datetime64],
        *,
        seed: int,
        resamples: int = RESAMPLES,
        length: int | None = None,
    ) -> Self:
        """Draw blocks over the moments of ``times``.

        Args:
            times: Time of each row in UTC, ascending, shape (n,), n > 0.
            seed: Of the draw.
            resamples: How many times the rows are redrawn.
            length: Moments in a block; by default ``block_length`` of them.
        """
        moments = np.asarray(times, dtype="datetime64[us]").astype(np.int64)
        first = np.flatnonzero(np.r_[True, moments[1:] != moments[:-1]])
        count = len(first)
        length = min(length or block_length(moments[first]), count)
        blocks = -(-count // length)
        generator = np.random.default_rng(seed)
        starts = generator.integers(0, count, size=(resamples, blocks), dtype=np.int32)
        return cls(first, len(moments), length, starts)

    def means(self, terms: FloatArray) -> FloatArray:
        """Return the mean of each column over each resample.

        Args:
            terms: Shape (n, k).

        Returns:
            Shape (resamples, k).
        """
        centre = terms.mean(axis=0)
        sums = np.add.reduceat(terms - centre, self.first, axis=0)
        counts = np.diff(np.r_[self.first, self.rows]).astype(np.float64)
        drawn = self._totals(np.column_stack([sums, counts]))
        return centre + drawn[:, :-1] / drawn[:, -1:]

    def _totals(self, moments: FloatArray) -> FloatArray:
        """Sum each column over the drawn blocks, shape (resamples, k)."""
        wrapped = np.concatenate([moments, moments[: self.length]])
        running = np.concatenate([np.zeros((1, moments.shape[1])), wrapped.cumsum(axis=0)])
        blocks = (running[self.length :] - running[: -self.length])[: len(moments)]
        totals = np.empty((len(self.starts), moments.shape[1]))
        step = max(1, _CELLS_AT_ONCE // self.starts[0].size)
        for column in range(moments.shape[1]):
            values = np.ascontiguousarray(blocks[:, column])
            for at in range(0, len(self.starts), step):
                chosen = self.starts[at : at + step]
                totals[at : at + step, column] = values[chosen].sum(axis=1)
        return totals


def block_length(moments: npt.NDArray[np.int64]) -> int:
    """Return the moments in a block: n^(1/3), and a day if the rows last long enough.

    n^(1/3) is the rate that minimises the error of the estimated variance (Künsch 1989). Losses
    mostly repeat over the day, so a block holds a whole one where twenty of them exist.

    Args:
        moments: Distinct times in microseconds, ascending.

    Example:
        >>> hours = np.arange(24 * 30) * 3_600_000_000
        >>> block_length(hours), block_length(hours[:48])
        (24, 4)
    """
    count = len(moments)
    shortest = int(np.ceil(round(count ** (1 / 3), 9)))
    days = (moments[-1] - moments[0]) / MICROSECONDS_A_DAY
    if days < _DAYS_NEEDED - 1:
        return shortest
    return max(shortest, round(count / days))


def interval(resampled: FloatArray, *, confidence: float) -> tuple[float, float]:
    """Return the percentile interval, two-sided; NaN where some resample is not defined.

    Args:
        resampled: Values of the resamples, shape (resamples,).
        confidence: Share of the resamples between the bounds.
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def lower_bound(resampled: FloatArray, *, level: float) -> float:
    """Return the one-sided lower bound that errs with probability ``level``."""
    return float(np.quantile(resampled, level))


def upper_bound(resampled: FloatArray, *, level: float) -> float:
    """Return the one-sided upper bound that errs with probability ``level``."""
    return float(np.quantile(resampled, 1 - level))
