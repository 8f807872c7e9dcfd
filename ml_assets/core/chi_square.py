"""The test of a categorical column: Pearson's chi-square beside its most changed category.

The null of the chi-square is a scaled one: the scale is what the reference's stretches tell of it
(``spread``), and the degrees of freedom follow from its variance over them where that is larger
than chance explains (Satterthwaite 1946; Rao and Scott 1981). Scaling alone alarms ten times too
often with fifty categories.

When one category of many grows, its own share shows it sooner than a sum over all. Its p-value in
Fisher's exact test, times the number of categories, is tried too, with what the stretches tell of
its own share.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc, ndtri

from ml_assets.core.chunks import (
    MIN_CHUNKS,
    ONE_SIDED,
    Chunks,
    Expected,
    finite_reference,
    growth_exponent,
)
from ml_assets.core.effect import Lengths, equivalent_shift
from ml_assets.core.spread import Spread

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
    def spread(self) -> Spread:
        """How much the chi-square varies from stretch to stretch."""
        ratios = self._ratios[0][1]
        squares = self._freedom * float(ratios.sum())
        return Spread.of(squares, self._freedom * len(ratios), **self._lengths)

    def design_effect(self, windows: Lengths = 1) -> np.ndarray:
        """Return the mean chi-square to be expected against that of independent rows."""
        return self.spread.expected(windows)[..., 0]

    def p_value(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of differences this large among known categories."""
        known, expected = bins[..., :-1].astype(float), self.expected(mix)
        n = np.maximum(known.sum(axis=-1, keepdims=True), 1)
        pooled = (known + expected.shares * expected.rows) / (n + expected.rows)
        gap, enough = known / n - expected.shares, n * pooled >= MIN_EXPECTED
        scale = 1 / n + 1 / expected.rows
        squares = np.divide(gap**2, pooled * scale, out=np.zeros_like(gap), where=enough)
        inverse = np.divide(1, n * pooled, out=np.zeros_like(gap), where=enough).sum(axis=-1)
        degrees = np.maximum(1, enough.sum(axis=-1) - 1)
        reference = {
            "share": n[..., 0] / (n[..., 0] + expected.rows),
            "of": expected.rows / self.chunks[0].rows_per_window,
        }
        # Rare categories add 1/(n p) to the variance of Pearson's sum (Haldane 1937).
        freedom = np.minimum(degrees / (1 + inverse / (2 * degrees)), self._freedom)
        ratio = (squares.sum(axis=-1) * freedom / degrees)[..., None]
        whole = self.spread.tail_of_squares(ratio, freedom[..., None], windows, **reference)[..., 0]
        z = ndtri(np.maximum(_own_p_values(known, n, expected), 1e-300) / 2)
        single = self._own_spread.tail(z, windows, **reference).min(axis=-1)
        largest = np.minimum(1, (expected.shares > 0).sum() * single)
        # The harmonic mean holds under dependence where it is small (Wilson 2019).
        both = 2 / (1 / np.maximum(whole, 1e-300) + 1 / np.maximum(largest, 1e-300))
        return np.where(known.sum(axis=-1) > 0, both, 1.0)

    def effect(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
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
    def _freedom(self) -> float:
        """Degrees of freedom that the chunks' chi-square seems to have (Satterthwaite 1946)."""
        ratios = self._ratios[0][1]
        if len(ratios) < MIN_CHUNKS:
            return float(self._degrees)
        mean, variance = max(1.0, float(ratios.mean())), float(ratios.var())
        most = 2 / self._degrees * (1 + ONE_SIDED * ((2 + 12 / self._degrees) / len(ratios)) ** 0.5)
        if variance <= most * mean**2:
            return float(self._degrees)
        return max(1.0, 2 * mean**2 / variance)

    @cached_property
    def _lengths(self) -> dict[str, float]:
        """What is known of the spread's growth with length."""
        spreads = {
            length: (float(ratios.mean()), len(ratios))
            for length, ratios in self._ratios
            if len(ratios) >= MIN_CHUNKS
        }
        return {"stretch": self.chunks[0].windows, "exponent": growth_exponent(spreads)}

    @cached_property
    def _ratios(self) -> list[tuple[float, np.ndarray]]:
        """Chi-square over degrees of freedom of each chunk, by length."""
        return [
            (
                part.windows,
                np.array(
                    [
                        float(squares.sum()) / max(1, int((expected.shares > 0).sum()) - 1)
                        for squares, expected in self._squares(part)
                    ]
                ),
            )
            for part in self.chunks
        ]

    @cached_property
    def _own_spread(self) -> Spread:
        """How much each category's own share varies."""
        own = [
            squares / np.maximum(1 - expected.shares, 1e-9)
            for squares, expected in self._squares(self.chunks[0])
        ]
        return Spread.of(np.sum(own, axis=0), len(own), **self._lengths)

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


def _own_p_values(known: np.ndarray, n: np.ndarray, expected: Expected) -> np.ndarray:
    """Return each category's own two-sided p-value, given its rows in window and reference.

    Of all rows of a category, those of the window are binomial (Fisher's exact test).
    """
    total = known + expected.shares * expected.rows
    odds = n / (n + expected.rows)
    more = np.where(known > 0, betainc(np.maximum(known, 1e-9), total - known + 1, odds), 1.0)
    less = 1 - betainc(known + 1, np.maximum(total - known, 1e-9), odds)
    return np.minimum(1.0, 2 * np.minimum(more, less))
