"""Two models on the same rows: how sure one is better, or no worse than it may be."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from ml_assets.core.bootstrap import Blocks
from ml_assets.core.metrics import FloatArray, loss_value

MOMENTS_NEEDED = 20  # below, a handful of blocks says nothing of the spread
_MOST_RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A figure that compares two models, with a bound on each side.

    Attributes:
        observed: On all rows.
        low: One-sided lower bound.
        high: One-sided upper bound.
        level: Probability that one bound errs.
    """

    observed: float
    low: float
    high: float
    level: float


@dataclass(frozen=True, eq=False)
class PairedLosses:
    """The losses of two models, row by row, in order of time.

    Attributes:
        metric: Whose losses they are.
        ours: Of the model in question, shape (n,), n > 0.
        theirs: Of the other one, shape (n,).
        times: Event times in UTC, shape (n,).
        seed: Of the resamples.
    """

    metric: str
    ours: FloatArray
    theirs: FloatArray
    times: npt.NDArray[np.datetime64]
    seed: int

    def gain(self, *, level: float) -> Comparison:
        """Return their loss minus ours, in the metric's unit: above zero, ours is better."""
        blocks, observed, drawn = self._losses(level)
        gained = drawn[:, 1] - drawn[:, 0]
        return _compared(blocks, observed[1] - observed[0], gained, level)

    def worsening(self, *, level: float, among: npt.NDArray[np.bool_] | None = None) -> Comparison:
        """Return our loss over theirs, minus 1: above zero, ours is worse.

        Args:
            level: Probability that one bound errs.
            among: Rows to compare on; the others still tell what else a resample may hold.
        """
        blocks, observed, drawn = self._losses(level, among)
        return _compared(blocks, _relative(observed[None])[0], _relative(drawn), level)

    def _losses(
        self, level: float, among: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Blocks, FloatArray, FloatArray]:
        """The blocks and both losses, observed (2,) and resampled (resamples, 2)."""
        both = np.column_stack([self.ours, self.theirs])
        if among is not None:
            both = both * among[:, None]
        resamples = min(_MOST_RESAMPLES, max(1000, ceil(100 / level)))
        difference = self.ours - self.theirs
        blocks = Blocks.draw(self.times, seed=self.seed, series=difference, resamples=resamples)
        # Adding and taking away leaves specks where a resample's losses are all zero.
        means = blocks.means(both)
        means = np.where(means > 1e-12 * both.mean(axis=0), means, 0.0)
        losses = loss_value(self.metric, both.mean(axis=0)), loss_value(self.metric, means)
        return blocks, *losses


def _relative(losses: FloatArray) -> FloatArray:
    ours, theirs = losses[:, 0], losses[:, 1]
    beyond = np.where(ours > 0, np.inf, 0.0)  # against no loss at all
    return np.divide(ours, theirs, out=beyond + 1.0, where=theirs > 0) - 1.0


def _compared(blocks: Blocks, observed: float, drawn: FloatArray, level: float) -> Comparison:
    return Comparison(
        observed=float(observed),
        low=blocks.lower_bound(drawn, level=level),
        high=blocks.upper_bound(drawn, level=level),
        level=level,
    )
