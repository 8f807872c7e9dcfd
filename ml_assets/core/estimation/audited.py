"""A random audit, sharpened by an estimate: valid whatever has changed, and at every look.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, Science 382): the
mean loss of all rows is the mean of what an estimator says of each, plus the mean gap between truth
and estimate, which the audited rows show. The audit was drawn by ourselves, so nothing need be
assumed of the world: a blind estimator makes the interval no narrower, and never wrong. Power
tuning (PPI++, Angelopoulos, Duchi & Zrnic 2023) weighs the estimate by what it is worth; the weight
is known before the audit it is used on, so that looking does not spoil it.

The rows of a cohort are finite, and drawn without replacement: with n of N audited,
n (mean gap - true mean gap) / (N - n) is a martingale (Waudby-Smith & Ramdas 2020, NeurIPS 33). The
normal mixture of ``core.anytime`` bounds it at all looks together. Two corrections for small
audits: the variance is estimated with one pseudo-row of prior variance, so that an audit without a
miss does not claim to be certain; and losses are skewed, so that a mean of few is rather too low
than too high, for which the bound on that side is moved (Johnson 1978, JASA 73; Hall 1992, JRSS B).
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from ml_assets.core.anytime import best_ratio, margin_of_error

FloatArray = npt.NDArray[np.float64]

PRIOR_ROWS = 20.0  # audited rows that outweigh what the reference said of the estimate's worth
FEWEST = 2
LOSS_SKEWNESS = 1.0  # of the absolute value of a normal variable: losses are hardly less skewed


@dataclass(frozen=True, kw_only=True)
class Audited:
    """The mean loss of all rows of a cohort, as an audit shows it.

    Attributes:
        value: Estimate of the mean loss; NaN without an audited row.
        low: Lower bound, valid at every look.
        high: Upper bound.
        rows: Audited rows that it rests on.
        weight: Of the estimate: 0 is the audit alone.
    """

    value: float
    low: float
    high: float
    rows: int
    weight: float


def audited_mean(
    losses: FloatArray,
    estimates: FloatArray,
    *,
    all_estimates: FloatArray,
    propensities: FloatArray | None = None,
    weight: float,
    planned: int,
    prior_variance: float,
    prior_skewness: float,
    confidence: float,
) -> Audited:
    """Return the mean loss of all rows with an interval that holds at all looks together.

    Args:
        losses: Of the audited rows, shape (n,).
        estimates: What the estimator said of them, shape (n,).
        all_estimates: What it said of all N rows, the audited ones among them, shape (N,).
        propensities: Chance with which each audited row was drawn, shape (n,); None if equal.
        weight: Of the estimate, chosen before the audit; see ``power``.
        planned: Rows that the audit will have at its end: where the interval is narrowest.
        prior_variance: Of one pseudo-row; 1/4 for losses of 0 and 1.
        prior_skewness: Skewness of the losses, at least; 0 for losses of 0 and 1.
        confidence: Chance that all intervals hold.
    """
    if len(losses) < FEWEST:
        return Audited(value=float("nan"), low=-inf, high=inf, rows=len(losses), weight=weight)
    by_row = np.ones(len(losses)) if propensities is None else 1 / propensities
    share = by_row / by_row.sum()
    gaps = losses - weight * estimates
    mean_gap = float((share * gaps).sum())
    value = weight * float(all_estimates.mean()) + mean_gap
    rows, total = float(1 / (share**2).sum()), float(len(all_estimates))
    if rows > total - 0.5:
        return Audited(value=value, low=value, high=value, rows=len(losses), weight=weight)
    centred = gaps - mean_gap
    variance = float((share * centred**2).sum()) + prior_variance / rows
    error = sqrt(variance * (1 / rows - 1 / total))
    alpha = (1 - confidence) / 2
    ratio = best_ratio(alpha) * _intrinsic(rows, total) / _intrinsic(max(planned, 2), total)
    score = margin_of_error(variance=1.0, degrees=rows, scale=sqrt(ratio), alpha=alpha)
    skewness = float((share * centred**3).sum()) / variance**1.5 if variance > 0 else 0.0
    moved = (2 * score**2 + 1) / (6 * sqrt(rows))
    return Audited(
        value=value,
        low=value - error * (score + max(-skewness, 0.0) * moved),
        high=value + error * (score + max(skewness, prior_skewness) * moved),
        rows=len(losses),
        weight=weight,
    )


def power(
    losses: FloatArray, estimates: FloatArray, *, prior_slope: float, prior_variance: float
) -> float:
    """Return the weight of the estimate: the slope of the loss on it, within 0 and 1.

    Args:
        losses: Of rows that were audited before, shape (n,).
        estimates: Of the same rows, shape (n,).
        prior_slope: As the reference says.
        prior_variance: Of the estimates on the reference.

    Example:
        >>> power(np.empty(0), np.empty(0), prior_slope=0.6, prior_variance=1.0)
        0.6
    """
    if prior_variance <= 0:
        return 0.0
    top, bottom = PRIOR_ROWS * prior_slope * prior_variance, PRIOR_ROWS * prior_variance
    if len(losses) >= FEWEST:
        centred = estimates - estimates.mean()
        top += float((centred * (losses - losses.mean())).sum())
        bottom += float((centred**2).sum())
    return min(max(top / bottom, 0.0), 1.0)


def _intrinsic(rows: float, total: float) -> float:
    """Time of the martingale: it grows without bound as the audit becomes a census."""
    return rows / max(total - rows, 1.0)
