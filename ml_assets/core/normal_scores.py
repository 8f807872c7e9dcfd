"""The smooth test of a numeric column, on normal scores (Neyman 1937; Rayner, Thas, Best 2009).

With reference shares p over the bins, z is the normal score of each bin's mid-rank and S the
polynomials of z made orthonormal under p. Of window shares q, T = (q - p)'S has, without drift,
mean 0 and covariance (1/n + 1/n_ref) * Sigma, with Sigma = I for independent rows.
Q = T' Sigma^-1 T / (1/n + 1/n_ref) is chi-square, or Hotelling's T-square where Sigma had to be
estimated from chunks. T[0] sees shifts, T[1] the spread, T[2] and T[3] skew and tails; orders 1-2
and 1-4 are tried and the smaller p-value doubled. Each T is made normal first by the cube root that
does so for a gamma variable of its skewness: with few effective rows the tails are far from normal.

Sigma is estimated only where the chunks say that rows depend on each other: where a score's mean
square, their mean or the largest eigenvalue (Johnstone 2001) exceeds what chance explains in 99 of
100 cases. A small dependence that hides below costs a little of the budget; estimating Sigma for
nothing would cost power in every column.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import chdtrc, chdtri, fdtrc, ndtri

from ml_assets.core.chunks import (
    MIN_CHUNKS,
    Chunks,
    Expected,
    finite_reference,
    growth_exponent,
    noticeable,
)
from ml_assets.core.effect import equivalent_shift
from ml_assets.core.rates import chance_of_more

MAX_ORDER = 4
LOW_ORDER = 2
ROWS_FOR_HIGH_ORDER = 500


def without_skewness(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Return standardised means as normal as a cube root makes them (Wilson and Hilferty 1931).

    A mean of squares has a long upper tail: at four deviations it is ten times as likely as a
    normal one of 100 rows.
    """
    small = np.abs(skewness) < 1e-6
    safe = np.where(small, 1.0, skewness)
    root = np.cbrt(np.maximum(1 + safe * z / 2, 1e-6))
    return np.where(small, z, 6 / safe * (root - 1) + safe / 6)


@dataclass(frozen=True, eq=False)
class Basis:
    """What the windows of one mix of phases are compared with, and along which polynomials."""

    expected: Expected

    @cached_property
    def _ranks(self) -> np.ndarray:
        return np.cumsum(self.expected.shares) - self.expected.shares / 2

    @cached_property
    def scores(self) -> np.ndarray:
        """Orthonormal polynomials of the bins' normal scores, shape (bins, orders)."""
        shares = self.expected.shares
        filled = shares > 0
        order = min(MAX_ORDER, int(filled.sum()) - 1)
        z = ndtri(np.clip(self._ranks, 1e-5, 1 - 1e-5))
        root = np.sqrt(shares)[:, None]
        q, r = np.linalg.qr(np.vander(z, order + 1, increasing=True) * root)
        q *= np.sign(np.diag(r))
        return np.divide(q[:, 1:], root, out=np.zeros_like(q[:, 1:]), where=filled[:, None])

    @cached_property
    def skewness(self) -> np.ndarray:
        """Third moment of each score under the reference."""
        return self.expected.shares @ self.scores**3

    @cached_property
    def tenths(self) -> np.ndarray:
        """Which of about ten coarse bins each bin belongs to, shape (bins, coarse bins)."""
        coarse = np.minimum((self._ranks * 10).astype(int), 9)
        place = np.unique(coarse, return_inverse=True)[1]
        return np.eye(place.max() + 1)[place]

    def drift(self, bins: np.ndarray) -> np.ndarray:
        """Return the mean scores of windows, shape (..., orders)."""
        rows = np.maximum(bins.sum(axis=-1, keepdims=True), 1)
        # A product of matrices would round differently for one window and for many.
        return np.einsum("...b,bk->...k", bins / rows - self.expected.shares, self.scores)


@dataclass(frozen=True, eq=False)
class NumericTest:
    """Smooth test on normal scores.

    Attributes:
        by_phase: Reference counts, shape (phases, bins).
        chunks: Stretches of the reference, by length; the shortest comes first.
    """

    by_phase: np.ndarray
    chunks: tuple[Chunks, ...]
    _bases: dict[int | None, Basis] = field(default_factory=dict)

    def basis(self, mix: np.ndarray | None = None) -> Basis:
        """Return what a mix of phases is compared with."""
        if mix is None or len(self.by_phase) == 1:
            return self._basis_of(None)
        if np.count_nonzero(mix) > 1:
            return Basis(Expected.of(self.by_phase, mix))
        return self._basis_of(int(np.argmax(mix)))

    def _basis_of(self, phase: int | None) -> Basis:
        if phase not in self._bases:
            by_phase = self.by_phase if phase is None else self.by_phase[phase : phase + 1]
            self._bases[phase] = Basis(Expected.of(by_phase))
        return self._bases[phase]

    @cached_property
    def covariance(self) -> np.ndarray:
        """Sigma: what was measured, at least the independent case; just that without evidence."""
        if not self.is_dependent:
            return np.eye(self._orders)
        values, vectors = np.linalg.eigh(self._measured[1])
        return (vectors * np.maximum(values, 1)) @ vectors.T

    @cached_property
    def is_dependent(self) -> bool:
        """Whether chunks differ by more than independent rows would."""
        k, m = self._orders, self._counted
        if k == 0 or m < MIN_CHUNKS:
            return False
        measured = self._measured[1]
        edge = (np.sqrt(m) + np.sqrt(k)) ** 2
        edge += 2.02 * (np.sqrt(m) + np.sqrt(k)) * (1 / np.sqrt(m) + 1 / np.sqrt(k)) ** (1 / 3)
        return bool(
            np.diag(measured).max() > chdtri(m, 0.01 / k) / m
            or np.diag(measured).mean() > noticeable(k * m)
            or np.linalg.eigvalsh(measured).max() > edge / m
        )

    @cached_property
    def growth(self) -> float:
        """Exponent with which the design effect grows with a window's length."""
        if self._orders == 0 or self._counted < MIN_CHUNKS:
            return 0.0
        counted = {part.windows: len(self._spread(part)) for part in self.chunks}
        spreads = {
            length: (float(np.diag(measured).mean()), counted[length])
            for length, measured in self._measured.items()
        }
        return growth_exponent(spreads)

    def design_effect(self, windows: int = 1) -> float:
        """Return the mean variance of the scores, 1 for independent rows."""
        mean = float(np.mean(np.diag(self.covariance))) if self._orders else 1.0
        return mean * windows**self.growth

    def p_value(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of differences this large; values in empty bins count too."""
        basis = self.basis(mix)
        n = np.maximum(bins.sum(axis=-1), 1)
        outside = bins[..., basis.expected.shares == 0].sum(axis=-1)
        stray = chance_of_more(outside, n, 1 / (basis.expected.rows + 1))
        if self._orders == 0:
            return stray
        growth = windows**self.growth
        scale = (1 / n + 1 / basis.expected.rows) * growth
        deviation = np.sqrt(np.diag(self.covariance) * scale[..., None])
        skewness = basis.skewness[: self._orders] * np.sqrt(
            np.diag(self.covariance) * growth / n[..., None]
        )
        drift = basis.drift(bins)[..., : self._orders] / deviation
        drift = without_skewness(drift, skewness) * deviation
        low = self._p_of_order(drift, scale, min(LOW_ORDER, self._orders))
        both = np.minimum(low, self._p_of_order(drift, scale, self._orders))
        few = self.is_dependent & (n / self.design_effect(windows) < ROWS_FOR_HIGH_ORDER)
        smooth = np.where(few | (self._orders <= LOW_ORDER), low, np.minimum(1, 2 * both))
        return np.where(outside > 0, np.minimum(1, 2 * np.minimum(smooth, stray)), smooth)

    def effect(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the equivalent shift over about ten bins."""
        basis = self.basis(mix)
        expected = basis.expected.shares * basis.expected.rows
        return equivalent_shift(
            bins @ basis.tenths, expected @ basis.tenths, design_effect=self.design_effect(windows)
        )

    @cached_property
    def _orders(self) -> int:
        # Phases may fill fewer bins than the whole, so the poorest decides.
        filled = (self.by_phase > 0).sum(axis=1)
        return max(0, min(MAX_ORDER, int(filled[filled > 0].min()) - 1))

    @cached_property
    def _counted(self) -> int:
        return len(self._spread(self.chunks[0]))

    @cached_property
    def _measured(self) -> dict[int, np.ndarray]:
        spreads = {part.windows: self._spread(part) for part in self.chunks}
        return {
            length: spread.T @ spread / len(spread)
            for length, spread in spreads.items()
            if len(spread) >= MIN_CHUNKS
        }

    def _spread(self, part: Chunks) -> np.ndarray:
        """Return the standardised scores of the chunks that hold a value."""
        rows = part.bins.sum(axis=1)
        spreads = []
        for bins, n, mix in zip(part.bins, rows, part.phases, strict=True):
            if n:
                basis = self.basis(mix)
                factor = n * finite_reference(n, basis.expected.rows)
                spreads.append(basis.drift(bins)[: self._orders] * factor**0.5)
        return np.array(spreads).reshape(-1, self._orders)

    def _p_of_order(self, drift: np.ndarray, scale: np.ndarray, k: int) -> np.ndarray:
        m = self._counted
        part = drift[..., :k]
        distance = np.einsum("...i,ij,...j->...", part, self._precisions[k], part) / scale
        if not self.is_dependent:
            return chdtrc(k, distance)
        return fdtrc(k, m - k, distance * (m - k) / (k * (m - 1)))

    @cached_property
    def _precisions(self) -> dict[int, np.ndarray]:
        orders = {min(LOW_ORDER, self._orders), self._orders}
        return {k: np.linalg.inv(self.covariance[:k, :k]) for k in orders}
