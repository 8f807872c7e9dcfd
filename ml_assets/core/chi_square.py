"""The test of a categorical column: Pearson's chi-square beside its most changed category.

If rows are independent, Pearson's chi-square is tried beside Fisher's exact test of each category,
times the number of categories: when one of many grows, its own share shows it sooner than a sum.
If they depend on each other, the sum is ruled by the few categories that come in clumps, and its
tail is anybody's guess. Then each category is judged alone, with what the reference's stretches
tell of its own spread (``spread``). How likely either is, they tell as well.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betainc, chdtrc

from ml_assets.core.chunks import (
    MIN_CHUNKS,
    Chunks,
    Expected,
    finite_reference,
    growth_exponent,
)
from ml_assets.core.effect import equivalent_shift
from ml_assets.core.spread import Lengths, Spread

MIN_EXPECTED = 1.0  # rows; rarer categories are left to their own test
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class CategoryTest:
    """Two-sample test over the categories that the reference knows.

    The last bin, of unseen categories, is left out: it has a test of its own.

    Attributes:
        by_phase: Reference counts, shape (phases, bins).
        chunks: Stretches of the reference, by length; the shortest comes first.
        prior: Odds that rows depend on each other, before any stretch.
    """

    by_phase: np.ndarray
    chunks: tuple[Chunks, ...]
    prior: float = 1.0

    def expected(self, mix: np.ndarray | None = None) -> Expected:
        """Return what is expected of the known categories in a mix of phases."""
        if mix is None or len(self.by_phase) == 1:
            return self._of_all
        return Expected.of(self.by_phase[:, :-1], mix)

    @cached_property
    def _of_all(self) -> Expected:
        return Expected.of(self.by_phase[:, :-1])

    @cached_property
    def spread(self) -> Spread:
        """How much each category's share varies from stretch to stretch."""
        first = self._squares(self.chunks[0])
        shares = [1 - expected.shares for _, expected in first]
        own = [part / np.maximum(rest, 1e-9) for (part, _), rest in zip(first, shares, strict=True)]
        together = sum(float(part.sum()) for part, _ in first)
        degrees = sum(max(1, int((expected.shares > 0).sum()) - 1) for _, expected in first)
        return Spread.of(
            np.sum(own, axis=0),
            len(first),
            together=(together, degrees),
            prior=self.prior,
            stretch=self.chunks[0].windows,
            exponent=self._growth,
        )

    def judges(self, mix: np.ndarray | None = None) -> bool:
        """Return that changes show in every mix of phases: each category has a test of its own."""
        return True

    def design_effect(self, windows: Lengths = 1) -> np.ndarray:
        """Return the mean chi-square to be expected against that of independent rows."""
        share = 1 - self.expected().shares
        return self.spread.expected(windows) @ share / share.sum()

    def p_value(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the chance of differences this large among known categories."""
        known, expected = bins[..., :-1].astype(float), self.expected(mix)
        n = np.maximum(known.sum(axis=-1, keepdims=True), 1)
        independent = self.spread.chance_of_independence
        chance = independent * _if_independent(known, n, expected)
        chance += (1 - independent) * self._if_dependent(known, n, expected, windows)
        return np.where(known.sum(axis=-1) > 0, np.minimum(1.0, chance), 1.0)

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
    def _growth(self) -> float | None:
        """Exponent with which the design effect grows with a window's length."""
        ratios = {
            part.windows: [
                float(squares.sum()) / max(1, int((expected.shares > 0).sum()) - 1)
                for squares, expected in self._squares(part)
            ]
            for part in self.chunks
        }
        return growth_exponent(
            {
                length: (float(np.mean(found)), len(found))
                for length, found in ratios.items()
                if len(found) >= MIN_CHUNKS
            }
        )

    def _if_dependent(
        self, known: np.ndarray, n: np.ndarray, expected: Expected, windows: Lengths
    ) -> np.ndarray:
        """Return the p-value of the most changed category, by what is known of its own spread."""
        there = expected.shares > 0
        pooled = (known + expected.shares * expected.rows) / (n + expected.rows)
        variance = np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / expected.rows)
        each = self.spread.of_dependence.tail(
            (known / n - expected.shares) / np.sqrt(variance),
            windows,
            # Of a row's third moment p (1 - p) (1 - 2 p); the reference's is negligible.
            skewness=(1 - 2 * pooled)
            / (np.square(n) * (1 / n + 1 / expected.rows) * np.sqrt(variance)),
            share=n[..., 0] / (n[..., 0] + expected.rows),
            of=expected.rows / self.chunks[0].rows_per_window,
        )
        return there.sum() * each[..., there].min(axis=-1)

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


def _if_independent(known: np.ndarray, n: np.ndarray, expected: Expected) -> np.ndarray:
    """Return the p-value of Pearson's sum and of the most changed category.

    Both are small when one category of few has moved: the harmonic mean of the two holds under
    dependence where it is small (Wilson 2019), and costs less than twice the smaller one.
    """
    pooled = (known + expected.shares * expected.rows) / (n + expected.rows)
    gap, enough = known / n - expected.shares, n * pooled >= MIN_EXPECTED
    scale = 1 / n + 1 / expected.rows
    squares = np.divide(gap**2, pooled * scale, out=np.zeros_like(gap), where=enough)
    inverse = np.divide(1, n * pooled, out=np.zeros_like(gap), where=enough).sum(axis=-1)
    degrees = np.maximum(1, enough.sum(axis=-1) - 1)
    # Rare categories add 1/(n p) to the variance of Pearson's sum (Haldane 1937).
    freedom = degrees / (1 + inverse / (2 * degrees))
    whole = chdtrc(freedom, squares.sum(axis=-1) * freedom / degrees)
    there = expected.shares > 0
    single = _of_each(known[..., there], n, expected.shares[there] * expected.rows, expected.rows)
    largest = np.minimum(1, there.sum() * single.min(axis=-1))
    return 2 / (1 / np.maximum(whole, TINY) + 1 / np.maximum(largest, TINY))


def _of_each(known: np.ndarray, n: np.ndarray, in_reference: np.ndarray, rows: float) -> np.ndarray:
    """Return each category's own two-sided p-value, given its rows in window and reference.

    Of all rows, those of the window that are of a category are hypergeometric (Fisher's exact
    test). Their tails are binomial ones with another rate (Wise 1954): at most 4 % too
    large where the window is a tenth of the reference, and more so where it is more.
    """
    total, every = known + in_reference, n + rows
    draws, marked = np.minimum(n, total), np.maximum(n, total)
    some = np.maximum(known, 1e-9)

    def rate(count: np.ndarray) -> np.ndarray:
        return np.clip((2 * marked - count) / (2 * every - draws + 1), 0.0, 1.0)

    more = np.where(known > 0, betainc(some, draws - known + 1, rate(known - 1)), 1.0)
    left = np.maximum(draws - known, 1e-9)
    less = np.where(known < draws, 1 - betainc(known + 1, left, rate(known)), 1.0)
    return np.minimum(1.0, 2 * np.minimum(more, less))
