"""The smooth test of a numeric column, on normal scores (Neyman 1937; Rayner, Thas, Best 2009).

With reference shares p over the bins, z is the normal score of each bin's mid-rank and S the
polynomials of z made orthonormal under p. Of window shares q, T = (q - p)'S has, without drift,
mean 0 and variances (1/n + 1/n_ref) times a design effect, 1 for independent rows. T[0] sees
shifts, T[1] the spread, T[2] and T[3] skew and tails. Each has its own design effect, of which the
reference's stretches tell so much (``spread``), and its own part of the level, so that nothing is
assumed of how they hang together. Each T is made normal first by the cube root that does so for a
gamma variable of its skewness: with few effective rows the tails are far from normal.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from ml_assets.core.chunks import (
    MIN_CHUNKS,
    Chunks,
    Expected,
    finite_reference,
    growth_exponent,
)
from ml_assets.core.effect import equivalent_shift
from ml_assets.core.rates import chance_of_more
from ml_assets.core.spread import Lengths, Spread

MAX_ORDER = 4
LOW_ORDER = 2
ROWS_FOR_HIGH_ORDER = 500
OF_ORDER = np.array([0.4, 0.3, 0.15, 0.15])  # shifts and spreads are what most often happens


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
        prior: Odds that rows depend on each other, before any stretch.
    """

    by_phase: np.ndarray
    chunks: tuple[Chunks, ...]
    prior: float = 1.0
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
    def spread(self) -> Spread:
        """How much each score varies from stretch to stretch."""
        first = self._spreads[0][1]
        return Spread.of(
            np.sum(first**2, axis=0),
            len(first),
            prior=self.prior,
            stretch=self.chunks[0].windows,
            exponent=self._growth,
        )

    def judges(self, mix: np.ndarray | None = None) -> bool:
        """Return whether changes within a mix of phases show.

        Where each phase stands still, at another value than the next, nothing tells how often the
        values may change places. Of phases that stand still at one value any other value tells.
        """
        return self._orders_of(mix) > 0 or np.count_nonzero(self.basis(mix).expected.shares) == 1

    def design_effect(self, windows: Lengths = 1) -> np.ndarray:
        """Return the mean variance of the scores to be expected, 1 for independent rows."""
        if self._orders == 0:
            return np.ones(np.shape(windows))
        return self.spread.expected(windows).mean(axis=-1)

    def p_value(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of differences this large; values in empty bins count too."""
        basis = self.basis(mix)
        known = basis.expected.rows
        n = np.maximum(bins.sum(axis=-1), 1)
        outside = bins[..., basis.expected.shares == 0].sum(axis=-1)
        stray = chance_of_more(outside, n, 1 / (known + 1))
        if self._orders_of(mix) == 0:
            return stray
        variance = (1 / n + 1 / known)[..., None]
        z = basis.drift(bins)[..., : self._orders] / np.sqrt(variance)
        each = self.spread.tail(
            z,
            windows,
            skewness=basis.skewness[: self._orders] / (np.square(n)[..., None] * variance**1.5),
            share=n / (n + known),
            of=known / self.chunks[0].rows_per_window,
        )
        smooth = np.min(each / self._budget(n / self.design_effect(windows)), axis=-1)
        smooth = np.minimum(1, smooth)
        return np.where(outside > 0, np.minimum(1, 2 * np.minimum(smooth, stray)), smooth)

    def effect(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the equivalent shift over about ten bins."""
        basis = self.basis(mix)
        expected = basis.expected.shares * basis.expected.rows
        return equivalent_shift(
            bins @ basis.tenths, expected @ basis.tenths, design_effect=self.design_effect(windows)
        )

    @cached_property
    def _filled(self) -> np.ndarray:
        """Bins that each phase fills."""
        return (self.by_phase > 0).sum(axis=1)

    @cached_property
    def _orders(self) -> int:
        # Phases may fill fewer bins than the whole, so the poorest of those that vary decides.
        vary = self._filled[self._filled > 1]
        return min(MAX_ORDER, int(vary.min()) - 1) if len(vary) else 0

    def _orders_of(self, mix: np.ndarray | None) -> int:
        """Return the scores of a mix of phases: none where all of them stand still."""
        if mix is None or len(self.by_phase) == 1 or np.any(self._filled[mix > 0] > 1):
            return self._orders
        return 0

    def _budget(self, effective: np.ndarray) -> np.ndarray:
        """Return the share of the level that each score may spend, shape (..., orders)."""
        every = OF_ORDER[: self._orders] / OF_ORDER[: self._orders].sum()
        if self._orders <= LOW_ORDER or self._is_independent:
            return every
        low = np.where(np.arange(self._orders) < LOW_ORDER, every, 1e-9)
        low /= low[:LOW_ORDER].sum()
        return np.where(effective[..., None] < ROWS_FOR_HIGH_ORDER, low, every)

    @cached_property
    def _is_independent(self) -> bool:
        return self.spread.chance_of_independence >= 0.5

    @cached_property
    def _growth(self) -> float | None:
        """Exponent with which the design effect grows with a window's length."""
        if self._orders == 0:
            return None
        return growth_exponent(
            {
                length: (float(np.mean(scores**2)), len(scores))
                for length, scores in self._spreads
                if len(scores) >= MIN_CHUNKS
            }
        )

    @cached_property
    def _spreads(self) -> list[tuple[float, np.ndarray]]:
        return [(part.windows, self._spread(part)) for part in self.chunks]

    def _spread(self, part: Chunks) -> np.ndarray:
        """Return the standardised scores of the chunks that have any."""
        rows = part.bins.sum(axis=1)
        spreads = []
        for bins, n, mix in zip(part.bins, rows, part.phases, strict=True):
            if n and self._orders_of(mix):
                basis = self.basis(mix)
                factor = n * finite_reference(n, basis.expected.rows)
                spreads.append(basis.drift(bins)[: self._orders] * factor**0.5)
        return np.array(spreads).reshape(len(spreads), self._orders)
