"""Intervals for means over rows that depend on each other in time.

Circular block bootstrap (Künsch 1989, Annals of Statistics 17; Politis & Romano 1992): whole
blocks of consecutive moments are drawn with replacement, wrapping round at the end, so that a
resample keeps the dependence within a block. The unit is the moment, not the row: rows with the
same time are drawn together, since machines that share an hour share its weather.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.block_length import block_length

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 1000
_CELLS_AT_ONCE = 4_000_000  # 32 MB of float64
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Estimate:
    """A value with the bounds of its interval; NaN where it is not defined."""

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
        series: FloatArray | None = None,
        resamples: int = RESAMPLES,
        length: int | None = None,
    ) -> Self:
        """Draw blocks over the moments of ``times``.

        Args:
            times: Time of each row in UTC, ascending, shape (n,), n > 0.
            seed: Of the draw.
            series: Numbers whose dependence in time sets the length of a block, shape (n,).
            resamples: How many times the rows are redrawn.
            length: Moments in a block, instead of the measured one.
        """
        moments = np.asarray(times, dtype="datetime64[us]").astype(np.int64)
        first = np.flatnonzero(np.r_[True, moments[1:] != moments[:-1]])
        count = len(first)
        if length is None:
            sums = None if series is None else np.add.reduceat(series, first)
            sizes = np.diff(np.r_[first, len(moments)])
            length = block_length(moments[first], None if sums is None else sums / sizes)
        length = min(length, count)
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

    def interval(self, drawn: FloatArray, *, confidence: float) -> tuple[float, float]:
        """Return the two-sided percentile interval; NaN where some resample is not defined.

        Args:
            drawn: A figure of each resample, shape (resamples,).
            confidence: Probability that the interval holds the figure.
        """
        tail = (1 - confidence) / 2
        return self.lower_bound(drawn, level=tail), self.upper_bound(drawn, level=tail)

    def lower_bound(self, drawn: FloatArray, *, level: float) -> float:
        """Return the one-sided lower bound that errs with probability ``level``."""
        # Never interpolated: cautious, and infinite values stay what they are.
        return float(np.quantile(drawn, self._expanded(level), method="lower"))

    def upper_bound(self, drawn: FloatArray, *, level: float) -> float:
        """Return the one-sided upper bound that errs with probability ``level``."""
        return float(np.quantile(drawn, 1 - self._expanded(level), method="higher"))

    def _expanded(self, level: float) -> float:
        """Return the percentile to read for a bound that errs with probability ``level``.

        With few blocks a plain percentile is too narrow: it reads the normal's where Student's t
        belongs. Expanded percentiles (Hesterberg 2015, The American Statistician 69) correct that.
        The t quantile is by its expansion in 1/freedom (Abramowitz & Stegun 26.7.5).
        """
        blocks = max(len(self.first) / self.length, 3.0)
        z, freedom = _NORMAL.inv_cdf(level), blocks - 1
        t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        return _NORMAL.cdf(sqrt(blocks / freedom) * t)

    def _totals(self, moments: FloatArray) -> FloatArray:
        """Sum each column over the drawn blocks, shape (resamples, k)."""
        wrapped = np.concatenate([moments, moments[: self.length]])
        running = np.concatenate([np.zeros((1, moments.shape[1])), wrapped.cumsum(axis=0)])
        blocks = (running[self.length :] - running[: -self.length])[: len(moments)]
        totals = np.empty((len(self.starts), moments.shape[1]))
        step = max(1, _CELLS_AT_ONCE // self.starts.shape[1])
        for column in range(moments.shape[1]):
            values = np.ascontiguousarray(blocks[:, column])
            for at in range(0, len(self.starts), step):
                chosen = self.starts[at : at + step]
                totals[at : at + step, column] = values[chosen].sum(axis=1)
        return totals
