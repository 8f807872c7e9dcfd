"""Whether rates of two periods differ, also where one of them has hardly a hit.

Resampling sees no chance in a cell without hits: every resample has none either. So rates are
compared by Fisher's exact test, which knows how likely no hit is. Rows that depend on each other in
time count for fewer: hits and trials are divided by the design effect, the variance over that of
independent rows (Rao & Scott 1992, Biometrics 48). The block bootstrap measures it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from ml_assets.core.bootstrap import Blocks, FloatArray


@dataclass(frozen=True, eq=False)
class Counts:
    """Hits among trials in one period, shape (rates,).

    Attributes:
        hits: Rows that are hits.
        trials: Rows that could be, at least one.
        variances: Of the rates, by the block bootstrap; zero where all or none are hits.
    """

    hits: FloatArray
    trials: FloatArray
    variances: FloatArray

    @property
    def rates(self) -> FloatArray:
        """Share of the trials that are hits."""
        return self.hits / self.trials

    @property
    def design_effects(self) -> FloatArray:
        """How many times more the rates vary than those of independent rows; one at least."""
        independent = self.rates * (1 - self.rates) / self.trials
        known = independent > 0
        return np.where(known, np.maximum(self.variances / np.where(known, independent, 1), 1), 1)


def counts(
    times: NDArray[np.datetime64],
    hits: FloatArray,
    trials: FloatArray,
    *,
    series: FloatArray,
    seed: int,
) -> Counts:
    """Count hits, and measure how far their rates vary.

    Args:
        times: Of the rows, ascending, shape (n,).
        hits: One where a row is a hit, shape (n, rates).
        trials: One where it could be, shape (n, rates) or (n, 1).
        series: Its dependence in time sets the length of a block, shape (n,).
        seed: Of the bootstrap.
    """
    found, of = hits.sum(axis=0), np.broadcast_to(trials.sum(axis=0), hits.shape[1:])
    # A rate is a ratio of two sums: by the delta method it varies like the mean of these.
    terms = (hits - trials * found / of) * len(hits) / of
    drawn = Blocks.draw(times, seed=seed, series=series).means(terms)
    return Counts(found, of, drawn.var(axis=0))


def p_values(before: Counts, since: Counts) -> FloatArray:
    """Return how likely two equal rates differ that much, two-sided, shape (rates,).

    Mid-p: the plain exact test errs more rarely than asked for, and sees less (Lancaster 1961,
    Journal of the American Statistical Association 56).
    """
    # In few rows the bootstrap sees too little dependence, without hits none: the other side knows.
    effect = np.maximum(before.design_effects, since.design_effects)
    hit, missed = (
        [np.rint(count / effect).astype(int) for count in sides]
        for sides in (
            (before.hits, since.hits),
            (before.trials - before.hits, since.trials - since.hits),
        )
    )
    table = (sum(hit) + sum(missed), sum(hit), hit[1] + missed[1])
    below, equal = hypergeom.cdf(hit[1] - 1, *table), hypergeom.pmf(hit[1], *table)
    return 2 * np.minimum(below + equal / 2, 1 - below - equal / 2)
