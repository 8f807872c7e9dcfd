"""What is known of a variance that few stretches have measured, and the tails that follow from it.

Rows of production resemble their neighbours, so a mean over a window varies v times as much as that
of independent rows: v is the design effect (Kish 1965). It is measured on stretches of the
reference, and eight of them hardly tell 1 from 3. Taking their best guess for the truth, or
independence for granted until it is disproved, alarms far too often. So every v keeps the weight
that the stretches leave to it, and the chance of a deviation is its mean over them: near the normal
one where many stretches behave like independent rows, near Student's where they do not, and wide
where there are few.

Either all statistics of a column have v = 1, or each has its own v of 1 to 1000, its logarithm as
likely everywhere. How likely either is before any stretch, the other columns say (``dependence``).
Less than 1 is never believed.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import ndtr

Lengths = float | np.ndarray
MOST = 1000.0
INFLATIONS = np.append(1.0, np.geomspace(1, MOST, 65)[1:])

MOST_SKEWED = 2.0  # as an exponential variable is
NEGLIGIBLE = 1e-10  # weight that cannot make a p-value of a budget's size
AT_ONCE = 128  # lengths whose tails are computed together: more leave the processor's caches


def without_skewness(z: np.ndarray, skewness: np.ndarray | float) -> np.ndarray:
    """Return standardised means as normal as a cube root makes them (Wilson and Hilferty 1931).

    A mean of squares, or a rare category, has a long upper tail: at four deviations the mean of 100
    squares is ten times as likely as a normal one.
    """
    skewness = np.clip(skewness, -MOST_SKEWED, MOST_SKEWED)
    small = np.abs(skewness) < 1e-6
    safe = np.where(small, 1.0, skewness)
    root = np.cbrt(np.maximum(1 + safe * z / 2, 1e-6))
    return np.where(small, z, 6 / safe * (root - 1) + safe / 6)


@dataclass(frozen=True, eq=False)
class Spread:
    """How much some statistics vary, in variances of independent rows.

    Attributes:
        weights: Weight of each of ``INFLATIONS``, shape (statistics, inflations).
        stretch: Length of the stretches that measured it, in windows.
        exponent: With which it grows with length; None where one length alone was measured.
    """

    weights: np.ndarray
    stretch: float = 1.0
    exponent: float | None = 0.0

    @classmethod
    def of(
        cls,
        squares: np.ndarray | float,
        freedom: np.ndarray | float,
        *,
        together: tuple[float, float] | None = None,
        prior: float = 1.0,
        stretch: float = 1.0,
        exponent: float | None = 0.0,
    ) -> Self:
        """Learn from sums of squares that are v times chi-square.

        Args:
            squares: Sum of squared deviations of each statistic, in variances of independent rows.
            freedom: Its degrees of freedom.
            together: Squares and freedom of all; their sums by default.
            prior: Odds of dependence before any stretch.
            stretch: As the attribute; below 1 there was too little for whole windows.
            exponent: As the attribute.

        Example:
            >>> few, many = Spread.of(8.0, 8), Spread.of(80.0, 80)
            >>> bool(few.tail(np.array([5.0]))[0] > 5 * many.tail(np.array([5.0]))[0])
            True
        """
        total, count = np.broadcast_arrays(np.atleast_1d(squares), np.atleast_1d(freedom))
        logs = _log_likelihoods(total, count)
        highest = logs.max(axis=-1, keepdims=True, initial=-np.inf)
        likely = np.exp(logs - highest)
        weights = np.empty((len(logs), len(INFLATIONS)))
        weights[:, 1:] = likely / likely.sum(axis=-1, keepdims=True)
        # For dependence speaks one statistic alone, or all together.
        whole = np.array([together or (total.sum(), count.sum())], float)
        every = np.concatenate([logs, _log_likelihoods(*whole.T)])
        odds = prior * np.exp(np.minimum(every, 300.0)).mean()
        # A memory longer than the stretches hides from them: they cannot speak for independence.
        weights[:, 0] = 1 / (1 + odds) if stretch >= 1 else 0.0
        weights[:, 1:] *= 1 - weights[:, :1]
        return cls(weights, stretch, exponent)

    @property
    def chance_of_independence(self) -> float:
        """Weight of v = 1."""
        return float(self.weights[:, 0].max(initial=0.0))

    @property
    def odds(self) -> float:
        """Odds that rows depend on each other; 1 where nothing was measured."""
        if not len(self.weights):
            return 1.0
        independent = self.chance_of_independence
        return (1 - independent) / independent if independent > 0 else float("inf")

    @property
    def of_dependence(self) -> "Spread":
        """The same, if rows do depend on each other."""
        weights = self.weights / np.maximum(1 - self.weights[:, :1], 1e-300)
        weights[:, 0] = 0.0
        return replace(self, weights=weights)

    def expected(self, windows: Lengths = 1) -> np.ndarray:
        """Return the v to be expected at some lengths, shape (lengths..., statistics).

        Rows divided by it are the effective rows to be expected; the few huge v that few stretches
        leave open do not rule it.
        """
        return 1 / np.sum(self.weights / self._at(windows), axis=-1)

    def tail(
        self,
        z: np.ndarray,
        windows: Lengths = 1,
        *,
        skewness: np.ndarray | float = 0.0,
        share: np.ndarray | float = 0.0,
        of: float = 1,
    ) -> np.ndarray:
        """Return the chance of deviations at least this large, in either direction.

        Args:
            z: In standard deviations of independent rows, shape (lengths..., statistics).
            windows: Length of what is judged.
            skewness: Of z where rows are independent; it grows with the root of v.
            share: Share of the variance that is the reference's own.
            of: Length of the reference, in windows.
        """
        z = np.asarray(z, float)
        lengths, shares = (np.broadcast_to(one, z.shape[:-1]) for one in (windows, share))
        skewed = np.broadcast_to(skewness, z.shape)
        if z.ndim == 1 or len(z) <= AT_ONCE:
            return self._tail(z, lengths, skewed, shares, of)
        chance = np.empty(z.shape)
        for start in range(0, len(z), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            chance[part] = self._tail(z[part], lengths[part], skewed[part], shares[part], of)
        return chance

    def _tail(
        self, z: np.ndarray, windows: np.ndarray, skewness: np.ndarray, share: np.ndarray, of: float
    ) -> np.ndarray:
        likely = np.flatnonzero(self.weights.max(axis=0) > NEGLIGIBLE)
        root = np.sqrt(self._inflation(windows, share, of)[..., likely])
        normal = without_skewness(z[..., None] / root, skewness[..., None] * root)
        return np.sum(self.weights[:, likely] * 2 * ndtr(-np.abs(normal)), axis=-1)

    def chance_of_all(self, share: float, rows: float) -> float:
        """Return the chance that one value of this share fills all rows of a window."""
        if not len(self.weights):
            return share**rows
        return float(np.mean(self.weights @ share ** (rows / self._at(1)[0])))

    def _inflation(self, windows: Lengths, share: np.ndarray | float, of: float) -> np.ndarray:
        """Return the inflations of a difference, shape (lengths..., 1, inflations)."""
        part = np.asarray(share, float)[..., None, None]
        return (1 - part) * self._at(windows) + part * self._at(of)

    def _at(self, windows: Lengths) -> np.ndarray:
        """Return the inflations at some lengths, shape (lengths..., 1, inflations).

        Stretches of one length say nothing of longer ones. What exceeds 1 then grows in proportion
        to length, which is the most that a memory without end makes of it.
        """
        length = np.asarray(windows, float)[..., None, None]
        if self.exponent is None:
            return 1 + (INFLATIONS - 1) * np.maximum(1.0, length / self.stretch)
        return INFLATIONS * length**self.exponent


def _log_likelihoods(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the logarithm of each v's likelihood above 1, less that of 1."""
    gained = total[:, None] * (1 - 1 / INFLATIONS[1:])
    return 0.5 * (gained - count[:, None] * np.log(INFLATIONS[1:]))
