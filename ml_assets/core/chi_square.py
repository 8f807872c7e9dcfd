"""The two-sample chi-square test of a categorical column.

Its null is a scaled chi-square with the mean and the variance seen on the reference's chunks
(Satterthwaite 1946; Rao and Scott 1981); the scale's own uncertainty makes the tail that of an F
distribution. Scaling by the mean alone alarms ten times too often with fifty categories.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc, fdtrc

from ml_assets.core.effect import MIN_CHUNKS, equivalent_shift, finite_reference


@dataclass(frozen=True, eq=False)
class CategoryTest:
    """Two-sample chi-square over the categories that the reference knows.

    The last bin, of unseen categories, is left out: it has a test of its own.

    Attributes:
        reference: Counts by bin.
        chunks: Counts by chunk and bin, shape (chunks, bins).
    """

    reference: np.ndarray
    chunks: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        """Reference counts of known categories."""
        return self.reference[:-1].astype(float)

    @cached_property
    def degrees(self) -> int:
        """Degrees of freedom for independent rows."""
        return max(1, int((self.known > 0).sum()) - 1)

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """Mean and variance of the chunks' chi-square, never below the independent case."""
        rows = self.chunks[:, :-1].sum(axis=1)
        chunks, rows = self.chunks[rows > 0, :-1], rows[rows > 0]
        if len(chunks) < MIN_CHUNKS:
            return float(self.degrees), 2.0 * self.degrees
        filled = self.known > 0
        expected = rows[:, None] * (self.known / self.known.sum())[filled]
        squares = np.sum((chunks[:, filled] - expected) ** 2 / expected, axis=1)
        squares = squares * finite_reference(rows, self.known.sum())
        return max(float(squares.mean()), self.degrees), max(float(squares.var()), 2 * self.degrees)

    @cached_property
    def is_dependent(self) -> bool:
        """Whether chunks differ by more than independent rows would."""
        mean, variance = self._moments
        return mean > 1.1 * self.degrees or variance > 3.2 * self.degrees

    @cached_property
    def design_effect(self) -> float:
        """Mean chi-square of the chunks against that of independent rows."""
        return self._moments[0] / self.degrees

    def p_value(self, bins: np.ndarray) -> float:
        """Return the chance of a difference this large among known categories."""
        known = bins[:-1].astype(float)
        n, n_reference = known.sum(), self.known.sum()
        if n == 0:
            return 1.0
        pooled = (known + self.known) / (n + n_reference)
        filled = pooled > 0
        difference = (known / n - self.known / n_reference)[filled]
        distance = float(np.sum(difference**2 / pooled[filled])) / (1 / n + 1 / n_reference)
        if not self.is_dependent:
            return float(chdtrc(self.degrees, distance))
        mean, variance = self._moments
        degrees = 2 * mean**2 / variance
        spare = max((len(self.chunks) - 1) * max(1.0, degrees / 4), 3.0)
        return float(fdtrc(degrees, spare, distance / mean))

    def effect(self, bins: np.ndarray) -> float:
        """Return the equivalent shift over the known categories."""
        if bins[:-1].sum() == 0:
            return 0.0
        return equivalent_shift(bins[:-1], self.known, design_effect=self.design_effect)
