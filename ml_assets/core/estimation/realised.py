"""The mean loss of the rows whose label has come, weighted for those whose label has not."""

import numpy as np
import numpy.typing as npt

from ml_assets.core.bootstrap import Blocks, Estimate

FloatArray = npt.NDArray[np.float64]

FEWEST = 5  # labelled rows that give an interval


def realised_loss(
    losses: FloatArray,
    times: npt.NDArray[np.datetime64],
    *,
    weights: FloatArray | None = None,
    confidence: float,
    seed: int,
) -> Estimate:
    """Return the weighted mean loss with its block-bootstrap interval.

    Args:
        losses: Of labelled rows, in order of time, shape (n,).
        times: Their event times in UTC, ascending, shape (n,).
        weights: How many rows each stands for, shape (n,); None for one each.
        confidence: Of the interval.
        seed: Of the resamples.

    Returns:
        NaN where there are too few rows for it.
    """
    if not len(losses):
        return Estimate(float("nan"), float("nan"), float("nan"))
    by_row = np.ones(len(losses)) if weights is None else weights
    value = float((by_row * losses).sum() / by_row.sum())
    if len(losses) < FEWEST:
        return Estimate(value, float("nan"), float("nan"))
    blocks = Blocks.draw(times, seed=seed, series=losses)
    drawn = blocks.means(np.column_stack([by_row * losses, by_row]))
    low, high = blocks.interval(drawn[:, 0] / drawn[:, 1], confidence=confidence)
    return Estimate(value, low, high)
