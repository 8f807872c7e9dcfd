"""Tests of a share of rows: missing values, and categories never seen."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc, ndtr, stdtr

from ml_assets.core.chunks import MIN_CHUNKS, Chunks, Expected, growth_exponent, noticeable


def chance_of_more(count: np.ndarray, trials: np.ndarray, rate: float) -> np.ndarray:
    """Return P(X >= count) of binomial variables; counts may be fractions.

    Example:
        >>> chance_of_more(np.array([2, 0]), np.array([10, 10]), 0.1).round(4).tolist()
        [0.2639, 1.0]
    """
    some = np.maximum(count, 1e-9)
    return np.where(count > 0, betainc(some, np.maximum(trials - some, 0) + 1, rate), 1.0)


@dataclass(frozen=True, eq=False)
class RateTest:
    """Whether a share of rows differs from the reference's: missing values.

    Attributes:
        by_phase: Rows without a hit and with one, shape (phases, 2).
        chunks: Stretches of the reference, by length; the shortest comes first.
    """

    by_phase: np.ndarray
    chunks: tuple[Chunks, ...]

    @cached_property
    def dispersion(self) -> float:
        """Variance of the chunks' rate against that of independent rows, at least 1."""
        return max(1.0, self._spreads[1][0])

    @cached_property
    def growth(self) -> float:
        """Exponent with which the dispersion grows with a window's length."""
        return growth_exponent(self._spreads)

    def p_value(
        self, hits: np.ndarray, rows: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of rates this different."""
        expected = Expected.of(self.by_phase, mix)
        if self.by_phase[:, 1].sum() == 0:
            return chance_of_more(hits, rows, 1 / (expected.rows + 1))
        rate = float(expected.shares[1])
        pooled = (hits + rate * expected.rows + 0.5) / (rows + expected.rows + 1)
        spread = self.dispersion * windows**self.growth
        variance = pooled * (1 - pooled) * (1 / rows + 1 / expected.rows) * spread
        distance = -np.abs(hits / rows - rate) / variance**0.5
        if self.dispersion <= noticeable(self._spreads[1][1]):
            return 2 * ndtr(distance)
        return 2 * stdtr(self._spreads[1][1] - 1, distance)

    def change(
        self, hits: np.ndarray, rows: np.ndarray, *, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the rates minus the reference's."""
        return hits / rows - Expected.of(self.by_phase, mix).shares[1]

    @cached_property
    def _spreads(self) -> dict[int, tuple[float, int]]:
        return {part.windows: (self._spread(part), len(part.missing)) for part in self.chunks}

    def _spread(self, part: Chunks) -> float:
        if len(part.missing) < MIN_CHUNKS:
            return 1.0
        rows = np.maximum(part.missing + part.bins.sum(axis=1), 1)
        rates = np.array([Expected.of(self.by_phase, mix).shares[1] for mix in part.phases])
        variance = rates * (1 - rates)
        known = variance > 0
        if not known.any():
            return 1.0
        squares = (part.missing / rows - rates)[known] ** 2 * rows[known] / variance[known]
        return float(squares.mean())
