"""The test of a categorical column: Pearson's chi-square beside its most changed category.

The null of the chi-square is a scaled one with the mean and the variance seen on the reference's
chunks (Satterthwaite 1946; Rao and Scott 1981); the scale's own uncertainty makes the tail that of
an F distribution. Scaling by the mean alone alarms ten times too often with fifty categories.

When one category of many grows, its own share shows it sooner than a sum over all. Its p-value in
Fisher's exact test, times the number of categories, is tried too and the smaller of the two
doubled. The test is made on rows thinned by the variance seen on the chunks, at least that of
independent rows, and has the tail of Student's distribution where that variance is an estimate.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc, chdtrc, fdtrc, ndtri, stdtr

from ml_assets.core.chunks import (
    MIN_CHUNKS,
    ONE_SIDED,
    Chunks,
    Expected,
    finite_reference,
    growth_exponent,
    noticeable,
)
from ml_assets.core.effect import equivalent_shift

MIN_EXPECTED = 1.0  # rows; rarer categories are left to their own test


@dataclass(frozen=True, eq=False)
class CategoryTest:
    """Two-sample test over the categories that the reference knows.

    The last bin, of unseen categories, is left out: it has a test of its own.

    Attributes:
        by_phase: Reference counts, shape (phases, bins).
        chunks: Stretches of the reference, by length; the shortest comes first.
    """

    by_phase: np.ndarray
    chunks: tuple[Chunks, ...]

    def expected(self, mix: np.ndarray | None = None) -> Expected:
        """Return what is expected of the known categories in a mix of phases."""
        return Expected.of(self.by_phase[:, :-1], mix)

    @cached_property
    def is_dependent(self) -> bool:
        """Whether chunks differ by more than independent rows would."""
        chunks = len(self._ratios[1])
        if chunks < MIN_CHUNKS:
            return False
        mean, variance = self._raw_moments
        most = 1 + ONE_SIDED * ((2 + 12 / self._degrees) / chunks) ** 0.5
        return mean > noticeable(self._degrees * chunks) or variance * self._degrees / 2 > most

    @cached_property
    def growth(self) -> float:
        """Exponent with which the design effect grows with a window's length."""
        spreads = {
            length: (float(ratios.mean()), len(ratios))
            for length, ratios in self._ratios.items()
            if len(ratios) >= MIN_CHUNKS
        }
        return growth_exponent(spreads) if 1 in spreads else 0.0

    def design_effect(self, windows: int = 1) -> float:
        """Return the mean chi-square of the chunks against that of independent rows."""
        mean = max(1.0, self._raw_moments[0]) if self.is_dependent else 1.0
        return mean * windows**self.growth

    def p_value(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of differences this large among known categories."""
        known, expected = bins[..., :-1].astype(float), self.expected(mix)
        n = np.maximum(known.sum(axis=-1, keepdims=True), 1)
        pooled = (known + expected.shares * expected.rows) / (n + expected.rows)
        scale = (1 / n + 1 / expected.rows) * windows**self.growth
        gap, enough = known / n - expected.shares, n * pooled >= MIN_EXPECTED
        squares = np.divide(gap**2, pooled * scale, out=np.zeros_like(gap), where=enough)
        inverse = np.divide(1, n * pooled, out=np.zeros_like(gap), where=enough).sum(axis=-1)
        degrees = np.maximum(1, enough.sum(axis=-1) - 1)
        whole = self._p_of_sum(squares.sum(axis=-1), degrees, inverse)
        growth = windows**self.growth
        single = self._p_of_categories(known / growth, n / growth, expected).min(axis=-1)
        largest = (expected.shares > 0).sum() * single
        both = np.minimum(1.0, 2 * np.minimum(whole, largest))
        return np.where(known.sum(axis=-1) > 0, both, 1.0)

    def effect(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the equivalent shift over the known categories."""
        expected = self.expected(mix)
        known = bins[..., :-1]
        size = equivalent_shift(
            known, expected.shares * expected.rows, design_effect=self.design_effect(windows)
        )
        return np.where(known.sum(axis=-1) > 0, size, 0.0)

    @cached_property
    def _degrees(self) -> int:
        return max(1, int((self.by_phase[:, :-1].sum(axis=0) > 0).sum()) - 1)

    @cached_property
    def _raw_moments(self) -> tuple[float, float]:
        """Mean and variance of the chunks' chi-square over its degrees of freedom."""
        ratios = self._ratios[1]
        if len(ratios) < MIN_CHUNKS:
            return 1.0, 2.0 / self._degrees
        return float(ratios.mean()), float(ratios.var())

    @cached_property
    def _ratios(self) -> dict[int, np.ndarray]:
        """Chi-square over degrees of freedom of each chunk, by length."""
        return {
            part.windows: np.array(
                [
                    float(squares.sum()) / max(1, int((expected.shares > 0).sum()) - 1)
                    for squares, expected in self._squares(part)
                ]
            )
            for part in self.chunks
        }

    @cached_property
    def _dispersion(self) -> np.ndarray:
        """Mean square of each category's residual, at least 1, shape (categories,)."""
        own = [
            squares / np.maximum(1 - expected.shares, 1e-9)
            for squares, expected in self._squares(self.chunks[0])
        ]
        return np.maximum(1.0, np.mean(own, axis=0))

    def _squares(self, part: Chunks) -> list[tuple[np.ndarray, Expected]]:
        """Return each chunk's chi-square by category, and what it is compared with."""
        found = []
        for bins, mix in zip(part.bins[:, :-1], part.phases, strict=True):
            n = bins.sum()
            if n == 0:
                continue
            expected = self.expected(mix)
            hoped = n * expected.shares
            squares = np.divide(
                (bins - hoped) ** 2, hoped, out=np.zeros(len(bins)), where=hoped > 0
            )
            found.append((squares * finite_reference(n, expected.rows), expected))
        return found

    def _p_of_sum(
        self, distance: np.ndarray, degrees: np.ndarray, inverse: np.ndarray
    ) -> np.ndarray:
        if not self.is_dependent:
            # Rare categories add 1/(n p) to the variance of Pearson's sum (Haldane 1937).
            freedom = degrees / (1 + inverse / (2 * degrees))
            return chdtrc(freedom, distance * freedom / degrees)
        mean, variance = self._raw_moments
        mean = max(mean, 1.0)
        variance = np.maximum(variance, 2 / degrees)
        freedom = 2 * mean**2 / variance
        spare = np.maximum((len(self._ratios[1]) - 1) * np.maximum(1.0, freedom / 4), 3.0)
        return fdtrc(freedom, spare, distance / (mean * degrees))

    def _p_of_categories(self, known: np.ndarray, n: np.ndarray, expected: Expected) -> np.ndarray:
        """Return each category's own two-sided p-value, given its rows in window and reference.

        Of all rows of a category, those of the window are binomial (Fisher's exact test).
        """
        thin = self._dispersion if self.is_dependent else np.ones(known.shape[-1])
        hits = known / thin
        total = hits + expected.shares * expected.rows / thin
        odds = n / (n + expected.rows)
        more = np.where(hits > 0, betainc(np.maximum(hits, 1e-9), total - hits + 1, odds), 1.0)
        less = 1 - betainc(hits + 1, np.maximum(total - hits, 1e-9), odds)
        p_value = np.minimum(1.0, 2 * np.minimum(more, less))
        if not self.is_dependent:
            return p_value
        return 2 * stdtr(len(self._ratios[1]) - 1, ndtri(np.maximum(p_value, 1e-300) / 2))
