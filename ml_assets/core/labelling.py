"""Which production rows are worth a label: some by chance, some because the model is unsure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml_assets.core.problem import Labelling

Strategy = Literal["random_audit", "uncertain"]


@dataclass(frozen=True)
class Chosen:
    """A row to be labelled.

    Attributes:
        position: Its place among the offered rows.
        strategy: Why it was chosen.
        propensity: Probability with which a row had to be chosen: the audit's share for an audited
            row, 1 for an uncertain one. Unbiased estimates use audited rows only.
    """

    position: int
    strategy: Strategy
    propensity: float


def choose(
    labelling: Labelling, uncertainty: Sequence[float] | np.ndarray, *, days: float, seed: int
) -> list[Chosen]:
    """Choose rows within the daily budget: an audit at random, then the most uncertain others.

    Args:
        labelling: Budget and share of the audit.
        uncertainty: One number a row; higher is less sure.
        days: Days over which the rows came.
        seed: Of the audit.

    Example:
        >>> [one.strategy for one in choose(
        ...     Labelling(daily_budget=2, audit_share=0.5), [0.1, 0.9, 0.2], days=1, seed=0)]
        ['random_audit', 'uncertain']
    """
    rows = len(uncertainty)
    budget = min(rows, round(labelling.daily_budget * days))
    audited = round(budget * labelling.audit_share)
    drawn = np.random.default_rng(seed).permutation(rows)[:audited]
    chosen = [Chosen(int(p), "random_audit", audited / rows) for p in sorted(drawn)]
    taken = set(drawn.tolist())
    ranked = [int(p) for p in np.argsort(-np.asarray(uncertainty, dtype=float), kind="stable")]
    others = [p for p in ranked if p not in taken][: budget - audited]
    return chosen + [Chosen(p, "uncertain", 1.0) for p in others]


def unfamiliarity(frame: pd.DataFrame, numeric: Sequence[str]) -> np.ndarray:
    """Return how far each row is from the middle of all: the largest robust deviation.

    A deviation is measured in interquartile ranges from the median. It stands for uncertainty
    where a model gives no probabilities.
    """
    if frame.empty or not numeric:
        return np.zeros(len(frame))
    values = frame[list(numeric)].to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        spread = np.where(high > low, high - low, 1.0)
        deviation = np.abs(values - middle) / spread
    return np.nan_to_num(deviation, nan=0.0).max(axis=1)


def margin_uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return 1 minus the lead of the likeliest class over the next, by row."""
    ordered = np.sort(probabilities, axis=1)
    return 1.0 - (ordered[:, -1] - ordered[:, -2])
