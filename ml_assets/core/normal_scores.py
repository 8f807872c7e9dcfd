"""The smooth test of a numeric column, on normal scores (Neyman 1937; Rayner, Thas, Best 2009).

With reference shares p over the bins, z is the normal score of each bin's mid-rank and S the
polynomials of z made orthonormal under p. Of window shares q, T = (q - p)'S has, without drift,
mean 0 and covariance (1/n + 1/n_ref) * Sigma, with Sigma = I for independent rows.
Q = T' Sigma^-1 T / (1/n + 1/n_ref) is chi-square, or Hotelling's T-square where Sigma had to be
estimated from chunks. T[0] sees shifts, T[1] the spread, T[2] and T[3] skew and tails; orders 1-2
and 1-4 are tried and the smaller p-value doubled.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtri

from ml_assets.core.effect import MIN_CHUNKS, equivalent_shift, finite_reference
from ml_assets.core.rates import chance_of_more

MAX_ORDER = 4
LOW_ORDER = 2
ROWS_FOR_HIGH_ORDER = 500


@dataclass(frozen=True, eq=False)
class NumericTest:
    """Smooth test on normal scores.

    Attributes:
        reference: Counts by bin.
        chunks: Counts by chunk and bin, shape (chunks, bins).
    """

    reference: np.ndarray
    chunks: np.ndarray

    @cached_property
    def rows(self) -> float:
        """Rows of the reference with a value."""
        return float(self.reference.sum())

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of each bin in the reference."""
        return self.reference / self.rows

    @cached_property
    def scores(self) -> np.ndarray:
        """Orthonormal polynomials of the bins' normal scores, shape (bins, orders)."""
        filled = self.shares > 0
        order = min(MAX_ORDER, int(filled.sum()) - 1)
        ranks = np.cumsum(self.shares) - self.shares / 2
        z = ndtri(np.clip(ranks, 1e-5, 1 - 1e-5))
        root = np.sqrt(self.shares)[:, None]
        q, r = np.linalg.qr(np.vander(z, order + 1, increasing=True) * root)
        q *= np.sign(np.diag(r))
        return np.divide(q[:, 1:], root, out=np.zeros_like(q[:, 1:]), where=filled[:, None])

    @cached_property
    def measured(self) -> np.ndarray:
        """Covariance of the scores over the chunks; the identity where there are too few."""
        rows = self.chunks.sum(axis=1)
        chunks, rows = self.chunks[rows > 0], rows[rows > 0]
        if len(chunks) < MIN_CHUNKS:
            return np.eye(self.scores.shape[1])
        spread = (chunks / rows[:, None] - self.shares) @ self.scores
        spread *= np.sqrt(rows * finite_reference(rows, self.rows))[:, None]
        return spread.T @ spread / len(chunks)

    @cached_property
    def is_dependent(self) -> bool:
        """Whether chunks differ by more than independent rows would."""
        values = np.linalg.eigvalsh(self.measured)
        return bool(len(values)) and bool(values.max() > 2.5 or values.mean() > 1.5)

    @cached_property
    def covariance(self) -> np.ndarray:
        """What was measured, at least the independent case; just that where nothing stands out."""
        if not self.is_dependent:
            return np.eye(self.scores.shape[1])
        values, vectors = np.linalg.eigh(self.measured)
        return (vectors * np.maximum(values, 1)) @ vectors.T

    @cached_property
    def precisions(self) -> dict[int, np.ndarray]:
        """Inverse of Sigma's leading part, by order."""
        order = len(self.covariance)
        return {k: np.linalg.inv(self.covariance[:k, :k]) for k in {min(LOW_ORDER, order), order}}

    @cached_property
    def design_effect(self) -> float:
        """Mean variance of the scores, 1 for independent rows."""
        return float(np.mean(np.diag(self.covariance))) if len(self.covariance) else 1.0

    def p_value(self, bins: np.ndarray) -> float:
        """Return the chance of a difference this large; values in empty bins count too."""
        n = float(bins.sum())
        order = self.scores.shape[1]
        outside = float(bins[self.reference == 0].sum())
        stray = chance_of_more(outside, n, 1 / (self.rows + 1)) if outside else 1.0
        if order == 0:
            return stray
        drift = (bins / n - self.shares) @ self.scores
        orders = {min(LOW_ORDER, order), order}
        if self.is_dependent and n / self.design_effect < ROWS_FOR_HIGH_ORDER:
            orders = {min(LOW_ORDER, order)}
        tried = [self._p_of_order(drift[:k], n) for k in orders]
        smooth = min(1.0, len(tried) * min(tried))
        return min(1.0, 2 * min(smooth, stray)) if outside else smooth

    def _p_of_order(self, drift: np.ndarray, n: float) -> float:
        k, m = len(drift), len(self.chunks)
        distance = drift @ self.precisions[k] @ drift / (1 / n + 1 / self.rows)
        if not self.is_dependent:
            return float(chdtrc(k, distance))
        return float(fdtrc(k, m - k, distance * (m - k) / (k * (m - 1))))

    @cached_property
    def _tenths(self) -> np.ndarray:
        middle = np.cumsum(self.shares) - self.shares / 2
        tenths = np.minimum((middle * 10).astype(int), 9)
        return np.unique(tenths, return_inverse=True)[1]

    def effect(self, bins: np.ndarray) -> float:
        """Return the equivalent shift over about ten bins."""
        tenths = np.bincount(self._tenths, weights=bins)
        expected = np.bincount(self._tenths, weights=self.reference)
        return equivalent_shift(tenths, expected, design_effect=self.design_effect)
