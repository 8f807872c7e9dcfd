"""Tests of a share of rows: missing values, and categories never seen."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc

from ml_assets.core.chunks import MIN_CHUNKS, Chunks, Expected, growth_exponent
from ml_assets.core.spread import Lengths, Spread

MANY = 1e6


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
    def spread(self) -> Spread:
        """How much the rate varies from stretch to stretch."""
        measured = [(part.windows, *self._squares(part)) for part in self.chunks]
        stretch, squares, counted = measured[0]
        if not counted:  # a share that was never seen is compared with its largest likely rate
            return Spread.of(0.0, MANY)
        by_length = {
            length: (total / count, count)
            for length, total, count in measured
            if count >= MIN_CHUNKS
        }
        return Spread.of(squares, counted, stretch=stretch, exponent=growth_exponent(by_length))

    def design_effect(self, windows: Lengths = 1) -> np.ndarray:
        """Return the variance of the rate to be expected, 1 for independent rows."""
        return self.spread.expected(windows)[..., 0]

    def p_value(
        self,
        hits: np.ndarray,
        rows: np.ndarray,
        *,
        windows: Lengths = 1,
        mix: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the chance of rates this different."""
        expected = Expected.of(self.by_phase, mix)
        if self.by_phase[:, 1].sum() == 0:
            return chance_of_more(hits, rows, 1 / (expected.rows + 1))
        rate = float(expected.shares[1])
        pooled = (hits + rate * expected.rows + 0.5) / (rows + expected.rows + 1)
        variance = pooled * (1 - pooled) * (1 / rows + 1 / expected.rows)
        z = (hits / rows - rate) / np.sqrt(variance)
        length = expected.rows / self._rows_per_window
        share = rows / (rows + expected.rows)
        return self.spread.tail(z[..., None], windows, share=share, of=length)[..., 0]

    def change(
        self, hits: np.ndarray, rows: np.ndarray, *, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the rates minus the reference's."""
        return hits / rows - Expected.of(self.by_phase, mix).shares[1]

    @cached_property
    def _rows_per_window(self) -> float:
        first = self.chunks[0]
        return max(1.0, float(np.mean(first.bins.sum(axis=1) + first.missing)) / first.windows)

    def _squares(self, part: Chunks) -> tuple[float, int]:
        """Return the sum of the squared standardised rates, and of how many stretches."""
        rows = np.maximum(part.missing + part.bins.sum(axis=1), 1)
        if len(self.by_phase) == 1:
            rates = np.full(len(rows), Expected.of(self.by_phase).shares[1])
        else:
            rates = np.array([Expected.of(self.by_phase, mix).shares[1] for mix in part.phases])
        variance = rates * (1 - rates)
        known = variance > 0
        gaps = (part.missing / rows - rates)[known] ** 2 * rows[known] / variance[known]
        return float(gaps.sum()), int(known.sum())
