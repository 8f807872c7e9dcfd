"""Tests of a share of rows: missing values, and categories never seen."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc, ndtr

from ml_assets.core.effect import MIN_CHUNKS


def chance_of_more(count: float, trials: float, rate: float) -> float:
    """Return P(X >= count) of a binomial X; counts may be fractions.

    Example:
        >>> round(chance_of_more(2, 10, 0.1), 4)
        0.2639
    """
    return float(betainc(count, trials - count + 1, rate)) if count > 0 else 1.0


@dataclass(frozen=True, eq=False)
class RateTest:
    """Whether a share of rows differs from the reference's: missing values.

    Attributes:
        hits: Hits by chunk.
        rows: Rows by chunk.
        total: Hits and rows of the whole reference.
    """

    hits: np.ndarray
    rows: np.ndarray
    total: tuple[int, int]

    @cached_property
    def dispersion(self) -> float:
        """Variance of the chunks' rate against that of independent rows, at least 1."""
        rate = self.total[0] / self.total[1]
        variance = rate * (1 - rate)
        if variance == 0 or len(self.rows) < MIN_CHUNKS:
            return 1.0
        squares = (self.hits / np.maximum(self.rows, 1) - rate) ** 2 * self.rows
        return max(1.0, float(squares.mean()) / variance)

    def p_value(self, hits: int, rows: int) -> float:
        """Return the chance of a rate this different."""
        reference_hits, reference_rows = self.total
        if reference_hits == 0:
            return chance_of_more(hits, rows, 1 / (reference_rows + 1))
        pooled = (hits + reference_hits + 0.5) / (rows + reference_rows + 1)
        variance = pooled * (1 - pooled) * (1 / rows + 1 / reference_rows) * self.dispersion
        gap = abs(self.change(hits, rows))
        return float(2 * ndtr(-gap / variance**0.5))

    def change(self, hits: int, rows: int) -> float:
        """Return the rate minus the reference's."""
        return hits / rows - self.total[0] / self.total[1]
