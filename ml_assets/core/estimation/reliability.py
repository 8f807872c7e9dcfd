"""How far estimated losses were from the real ones, on rows that the estimator had not seen."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

PARTS = 4  # consecutive parts of the reference: each is estimated from those before it
CHUNKS = 20
_NORMAL = NormalDist()

# From the positions to learn from and those to estimate to the estimated losses of the latter.
Estimator = Callable[[npt.NDArray[np.intp], npt.NDArray[np.intp]], FloatArray]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """What the reference says of an estimator of losses.

    Attributes:
        rows: Reference rows that were estimated unseen.
        mean_loss: Their real mean loss.
        loss_variance: Variance of the real loss.
        estimate_variance: Variance of the estimated loss.
        gap_variance: Variance of the real loss less the estimated one.
        design_effect: How many times larger the variance of a mean gap is than for independent
            rows, from consecutive chunks; at least 1.
        slope: Of the real loss on the estimated one, within 0 and 1: what the estimate is worth.
    """

    rows: int
    mean_loss: float
    loss_variance: float
    estimate_variance: float
    gap_variance: float
    design_effect: float
    slope: float

    def margin(self, rows: int, *, confidence: float) -> float:
        """Return how far the mean estimate of new rows may be from their mean loss.

        It speaks of rows whose truth relates to their features as on the reference, and of no
        others.

        Args:
            rows: How many new rows there are.
            confidence: Chance that the margin holds.
        """
        if rows == 0:
            return float("nan")
        z = _NORMAL.inv_cdf((1 + confidence) / 2)
        return z * sqrt(self.gap_variance * self.design_effect * (1 / rows + 1 / self.rows))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build what ``to_json`` described."""
        return cls(**values)


def tried_forward(losses: FloatArray, estimate: Estimator) -> Reliability:
    """Estimate each part of the reference from the parts before it, and compare.

    Args:
        losses: Real losses in order of time, shape (n,), at least 8 of them.
        estimate: Learns from some rows and estimates others.
    """
    edges = np.linspace(0, len(losses), PARTS + 1).astype(int)
    places = np.arange(len(losses))
    estimates = np.concatenate(
        [estimate(places[:start], places[start:end]) for start, end in pairwise(edges[1:])]
    )
    return compared(losses[edges[1] :], estimates)


def compared(losses: FloatArray, estimates: FloatArray) -> Reliability:
    """Compare real losses with estimated ones, both in order of time, shape (n,)."""
    gaps = losses - estimates
    spread = float(estimates.var())
    slope = float(np.cov(losses, estimates, ddof=0)[0, 1]) / spread if spread > 0 else 0.0
    return Reliability(
        rows=len(losses),
        mean_loss=float(losses.mean()),
        loss_variance=float(losses.var()),
        estimate_variance=spread,
        gap_variance=float(gaps.var()),
        design_effect=_design_effect(gaps),
        slope=min(max(slope, 0.0), 1.0),
    )


def _design_effect(gaps: FloatArray) -> float:
    chunks = np.array_split(gaps, min(CHUNKS, max(len(gaps) // 10, 2)))
    variance = gaps.var()
    if variance == 0:
        return 1.0
    size = len(gaps) / len(chunks)
    between = np.var([chunk.mean() for chunk in chunks], ddof=1)
    return max(float(between * size / variance), 1.0)
