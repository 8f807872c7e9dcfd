"""Quantiles that follow the world: adaptive conformal inference.

After each truth the quantile takes a step up where the score lay above it, and a small step down
where it did not, so that in the long run just the declared share lies above it, whatever the
scores do (Gibbs & Candes 2021, "Adaptive conformal inference under distribution shift"; the step is
taken in the score itself as in Angelopoulos, Candes & Tibshirani 2023, "Conformal PID control",
section 2.1, so that the quantile can leave the range it was calibrated on). After n steps of size
``rate`` with scores within B of each other, the share above differs from the declared one by at
most ``(B + rate) / (rate * n)``. Here steps follow the recent spread of the scores, so that no unit
needs to be known.

The quantile is a function of the scores in their order, not a state that is added to: rows whose
truth comes late, or is corrected, are put in their place and everything is computed again.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.core.conformal import ClassSets, FloatArray, Intervals, NumberIntervals

RATE = 0.05  # of the spread of the scores: about 200 rows to forget what was
SPREAD_ROWS = 100
MEMORY = 10_000  # rows that are followed, at most


@dataclass(frozen=True)
class Quantiles:
    """The quantiles that intervals have now.

    Attributes:
        low: Lower one, for numbers; None for classes.
        high: Upper one.
        rows: Truths that were followed.
    """

    low: float | None
    high: float
    rows: int


def follow(
    scores: FloatArray, start: float, *, miscoverage: float, spread: float, rate: float = RATE
) -> FloatArray:
    """Return the upper quantile before each score, and after the last, shape (n + 1,).

    Args:
        scores: In the order in which their truths were known, shape (n,).
        start: The quantile before the first.
        miscoverage: Share that is to lie above it.
        spread: Standard deviation of the scores it was calibrated on.
        rate: Size of a step, in standard deviations of the latest scores.
    """
    steps = rate * _spreads(scores, spread)
    path = np.empty(len(scores) + 1)
    path[0] = quantile = start
    ups, downs = (steps * (1 - miscoverage)).tolist(), (steps * miscoverage).tolist()
    for place, score in enumerate(scores.tolist()):
        quantile += ups[place] if score > quantile else -downs[place]
        path[place + 1] = quantile
    return path


def followed(
    intervals: Intervals, scores: FloatArray, *, rate: float = RATE
) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper quantile before each score, and after the last, shapes (n + 1,).

    The lower one is minus infinity for classes: nothing is too likely for a set.

    Args:
        intervals: As they were calibrated.
        scores: In the order in which their truths were known, shape (n,).
        rate: See ``follow``.
    """
    miss = 1 - intervals.coverage
    match intervals:
        case NumberIntervals(low=low, high=high, spread=spread):
            upper = follow(scores, high, miscoverage=miss / 2, spread=spread, rate=rate)
            lower = -follow(-scores, -low, miscoverage=miss / 2, spread=spread, rate=rate)
            # Under a sudden shift one side may run past the other before that follows.
            return np.minimum(lower, upper), np.maximum(lower, upper)
        case ClassSets(high=high, spread=spread):
            path = follow(scores, high, miscoverage=miss, spread=spread, rate=rate)
            return np.full(len(path), -np.inf), np.clip(path, 0.0, 1.0)


def adapted(intervals: Intervals, scores: FloatArray, *, rate: float = RATE) -> Quantiles:
    """Return the quantiles after the latest of some scores; see ``followed``."""
    latest = scores[-MEMORY:]
    lows, highs = followed(intervals, latest, rate=rate)
    low = float(lows[-1]) if isinstance(intervals, NumberIntervals) else None
    return Quantiles(low, float(highs[-1]), len(latest))


def _spreads(scores: FloatArray, spread: float) -> FloatArray:
    """Return the standard deviation of the scores before each one, at least ``spread``.

    Steps that followed a smaller spread would be slow when it grows back.
    """
    count = len(scores)
    # From differences to a typical score: sums of squares of large numbers lose the small ones.
    plain = scores - (np.median(scores) if count else 0.0)
    sums = np.concatenate([[0.0], np.cumsum(plain)])
    squares = np.concatenate([[0.0], np.cumsum(plain**2)])
    ends = np.arange(count)
    starts = np.maximum(ends - SPREAD_ROWS, 0)
    rows = np.maximum(ends - starts, 1)
    mean = (sums[ends] - sums[starts]) / rows
    variance = (squares[ends] - squares[starts]) / rows - mean**2
    recent = np.sqrt(np.maximum(variance, 0.0))
    return np.maximum(np.where(ends >= SPREAD_ROWS // 5, recent, spread), spread)
