"""What is known of a variance that few stretches have measured, and the tails that follow from it.

Rows of production resemble their neighbours, so a mean over a window varies v times as much as that
of independent rows: v is the design effect (Kish 1965). It is measured on stretches of the
reference, and eight of them hardly tell 1 from 3. Taking their best guess for the truth, or
independence for granted until it is disproved, alarms far too often. So every v keeps the weight
that the stretches leave to it, and the chance of a deviation is its mean over them: near the normal
one where many stretches behave like independent rows, near Student's where they do not, and wide
where there are few.

Before any stretch half the weight lies on v = 1, half evenly over the logarithm of 1 to 1000. Less
than 1 is never believed.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import chdtrc, ndtr

from ml_assets.core.effect import Lengths

MOST = 1000.0
INFLATIONS = np.append(1.0, np.geomspace(1, MOST, 65)[1:])
PRIOR = np.append(0.5, np.full(len(INFLATIONS) - 1, 0.5 / (len(INFLATIONS) - 1)))


@dataclass(frozen=True, eq=False)
class Spread:
    """How much some statistics vary, in variances of independent rows.

    Attributes:
        weights: Weight of each of ``INFLATIONS``, shape (statistics, inflations).
        stretch: Length of the stretches that measured it, in windows.
        exponent: With which it grows with length, where stretches of several lengths were measured.
    """

    weights: np.ndarray
    stretch: float = 1.0
    exponent: float = 0.0

    @classmethod
    def of(
        cls,
        squares: np.ndarray | float,
        freedom: np.ndarray | float,
        *,
        stretch: float = 1.0,
        exponent: float = 0.0,
    ) -> Self:
        """Learn from sums of squares that are v times chi-square.

        Args:
            squares: Sum of squared deviations of each statistic, in variances of independent rows.
            freedom: Its degrees of freedom.
            stretch: As the attribute; below 1 there was too little for whole windows.
            exponent: As the attribute.

        Example:
            >>> few, many = Spread.of(8.0, 8), Spread.of(80.0, 80)
            >>> bool(few.tail(np.array([5.0]))[0] > 5 * many.tail(np.array([5.0]))[0])
            True
        """
        total, count = np.broadcast_arrays(np.atleast_1d(squares), np.atleast_1d(freedom))
        total, count = total[:, None].astype(float), count[:, None].astype(float)
        likelihood = -0.5 * (count * np.log(INFLATIONS) + total / INFLATIONS)
        weights = PRIOR * np.exp(likelihood - likelihood.max(axis=-1, keepdims=True))
        return cls(weights / weights.sum(axis=-1, keepdims=True), stretch, exponent)

    @property
    def chance_of_independence(self) -> np.ndarray:
        """Weight of v = 1, shape (statistics,)."""
        return self.weights[:, 0]

    def expected(self, windows: Lengths = 1) -> np.ndarray:
        """Return the v to be expected at some lengths, shape (lengths..., statistics)."""
        return np.sum(self.weights * self._at(windows), axis=-1)

    def tail(
        self, z: np.ndarray, windows: Lengths = 1, *, share: np.ndarray | float = 0.0, of: float = 1
    ) -> np.ndarray:
        """Return the chance of deviations at least this large, in either direction.

        Args:
            z: In standard deviations of independent rows, shape (lengths..., statistics).
            windows: Length of what is judged.
            share: Share of the variance that is the reference's own.
            of: Length of the reference, in windows.
        """
        inflation = self._inflation(windows, share, of)
        return 2 * np.sum(self.weights * ndtr(-np.abs(z)[..., None] / np.sqrt(inflation)), axis=-1)

    def tail_of_squares(
        self,
        squares: np.ndarray,
        freedom: np.ndarray | float,
        windows: Lengths = 1,
        *,
        share: np.ndarray | float = 0.0,
        of: float = 1,
    ) -> np.ndarray:
        """Return the chance of sums of ``freedom`` squares at least this large."""
        inflation = self._inflation(windows, share, of)
        count = np.asarray(freedom, float)[..., None]
        return np.sum(self.weights * chdtrc(count, squares[..., None] / inflation), axis=-1)

    def _inflation(self, windows: Lengths, share: np.ndarray | float, of: float) -> np.ndarray:
        """Return the inflations of a difference, shape (lengths..., 1, inflations)."""
        part = np.asarray(share, float)[..., None, None]
        return (1 - part) * self._at(windows) + part * self._at(of)

    def _at(self, windows: Lengths) -> np.ndarray:
        """Return the inflations at some lengths, shape (lengths..., 1, inflations).

        Stretches shorter than a window say nothing of longer ones. What exceeds 1 then grows in
        proportion to length, which is the most that a memory without end makes of it.
        """
        length = np.asarray(windows, float)[..., None, None]
        if self.stretch < 1:
            return 1 + (INFLATIONS - 1) * np.maximum(1.0, length / self.stretch)
        return INFLATIONS * length**self.exponent
