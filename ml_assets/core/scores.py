"""What an evaluation says of each model: plain values, and how they are computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ml_assets.core.bootstrap import Blocks, Estimate
from ml_assets.core.metrics import FloatArray, Predictions, combined, loss_value, terms
from ml_assets.core.slices import RowSlice

_ROUNDING = 1e-12  # a share this small is what is left of zero by adding and taking away
_NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one model on all rows that it answered."""

    model: str
    kind: Literal["candidate", "baseline", "champion"]
    metric: str
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class SliceScore:
    """The primary metric's loss of one model on a part of the rows; lower is better.

    Attributes:
        slice: The part, in words.
        model: Name of the model.
        metric: Primary metric; for accuracy the value is the share of misses.
        value: Loss, with its interval.
        low: Lower bound.
        high: Upper bound.
        rows: Rows of the slice that the model answered.
        found: Whether it was declared, or searched for this model.
    """

    slice: str
    model: str
    metric: str
    value: float
    low: float
    high: float
    rows: int
    found: Literal["declared", "automatic"]


def metric_estimates(
    metrics: Sequence[str],
    y: np.ndarray,
    predictions: Predictions,
    *,
    blocks: Blocks,
    confidence: float,
    no_change: np.ndarray | None,
) -> dict[str, Estimate]:
    """Return each metric with its interval, all from the same resamples.

    Args:
        metrics: Fit for the task.
        y: Truth, shape (n,).
        predictions: For the same rows.
        blocks: Drawn over the times of the same rows.
        confidence: Of the intervals.
        no_change: The last known labels, for temporal_kappa.
    """
    parts = [terms(metric, y, predictions, no_change=no_change) for metric in metrics]
    resampled = blocks.means(np.column_stack(parts))
    estimates, at = {}, 0
    for metric, part in zip(metrics, parts, strict=True):
        drawn = combined(metric, resampled[:, at : at + part.shape[1]])
        low, high = blocks.interval(drawn, confidence=confidence)
        value = float(combined(metric, part.mean(axis=0)))
        estimates[metric] = Estimate(value, low, high)
        at += part.shape[1]
    return estimates


def loss_estimates(
    metric: str,
    loss: FloatArray,
    parts: Sequence[RowSlice],
    *,
    blocks: Blocks,
    confidence: float,
) -> list[Estimate]:
    """Return the loss within each slice with its interval.

    The rows of a slice are as many as a resample happens to hold, so the resampled loss is a ratio
    of two means.
    """
    if not parts:
        return []
    masks = np.column_stack([part.mask for part in parts]).astype(np.float64)
    means = blocks.means(np.hstack([loss[:, None] * masks, masks]))
    estimates = []
    for number, part in enumerate(parts):
        if not part.mask.any():
            estimates.append(_NOTHING)
            continue
        drawn = ratio(means[:, number], means[:, len(parts) + number])
        low, high = blocks.interval(loss_value(metric, drawn), confidence=confidence)
        value = float(loss_value(metric, loss[part.mask].mean()))
        estimates.append(Estimate(value, low, high))
    return estimates


def ratio(sums: FloatArray, shares: FloatArray) -> FloatArray:
    """Return ``sums / shares`` of those resamples that hold any row of the part.

    Args:
        sums: Means of a term that is 0 outside a part of the rows, shape (resamples,).
        shares: Shares of rows in that part, of the same shape.

    Returns:
        Shape (resamples that hold some,), or one NaN if none does.
    """
    held: npt.NDArray[np.bool_] = shares > _ROUNDING
    return sums[held] / shares[held] if held.any() else np.array([np.nan])
