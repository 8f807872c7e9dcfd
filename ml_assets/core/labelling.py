"""Which production rows are worth a label: some by chance, some because the models are unsure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from math import floor as whole
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.problem import Labelling
from ml_assets.core.window import Every, floor

FloatArray = npt.NDArray[np.float64]
Strategy = Literal["random_audit", "disagreeing", "uncertain"]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Chosen:
    """A row to be labelled.

    Attributes:
        position: Its place among the offered rows.
        strategy: Why it was chosen.
        propensity: Probability with which a row had to be chosen: the audit's share for an audited
            row, 1 for another one. Unbiased estimates use audited rows only.
    """

    position: int
    strategy: Strategy
    propensity: float


def choose(
    labelling: Labelling,
    lots: FloatArray,
    *,
    uncertainty: FloatArray,
    disagreement: FloatArray,
    budget: int,
) -> list[Chosen]:
    """Choose rows within a budget: an audit at random, then rows where models disagree or doubt.

    Args:
        labelling: Shares of the budget.
        lots: One for each row, as ``lots`` draws them: the lowest are audited, in their order.
        uncertainty: One number a row; higher is less sure.
        disagreement: One number a row; 0 is agreement.
        budget: Rows to choose, at most.

    Example:
        >>> from ml_assets.core.problem import Labelling
        >>> found = choose(Labelling(audit_share=0.5, disagreeing_share=0), np.array([0.9, 0.1]),
        ...     uncertainty=np.array([1.0, 2.0]), disagreement=np.zeros(2), budget=2)
        >>> [(one.position, one.strategy) for one in found]
        [(1, 'random_audit'), (0, 'uncertain')]
    """
    budget = min(len(lots), budget)
    audited = round(budget * labelling.audit_share)
    order = np.argsort(lots, kind="stable")
    chosen = [Chosen(int(p), "random_audit", audited / len(lots)) for p in order[:audited]]
    disagreeing = round((budget - audited) * labelling.disagreeing_share)
    differing = np.where(disagreement > 0, disagreement, -np.inf)
    chosen += _most(differing, "disagreeing", taken=chosen, count=disagreeing)
    return chosen + _most(uncertainty, "uncertain", taken=chosen, count=budget - len(chosen))


def budget_of(labelling: Labelling, start: datetime, every: Every) -> int:
    """Return how many rows may be asked for in the day, or in the hour of it, that starts then.

    Hours share the day's budget as evenly as whole rows allow.

    Example:
        >>> from datetime import UTC
        >>> from ml_assets.core.problem import Labelling
        >>> hours = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in range(24)]
        >>> sum(budget_of(Labelling(daily_budget=40), hour, "hour") for hour in hours)
        40
    """
    if every != "hour":
        return labelling.daily_budget
    before = (start - floor(start, "day")) / DAY
    after = before + HOUR / DAY
    daily, tiny = labelling.daily_budget, 1e-9
    return whole(daily * after + tiny) - whole(daily * before + tiny)


def lots(seed: int, names: Iterable[str]) -> FloatArray:
    """Draw a number from 0 to 1 for each name, the same one whenever and with whomever it is drawn.

    A row that comes late changes nothing about the others.

    Args:
        seed: Of the draw.
        names: Of the rows.
    """
    drawn = [
        int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()) for name in names
    ]
    return np.array(drawn, dtype=np.float64) / 2.0**64


def unfamiliarity(frame: pd.DataFrame, numeric: Sequence[str]) -> FloatArray:
    """Return how far each row is from the middle of all: the largest robust deviation.

    A deviation is measured in interquartile ranges from the median. It stands for uncertainty
    where a model gives no probabilities and no loss can be estimated.
    """
    if frame.empty or not numeric:
        return np.zeros(len(frame))
    values = frame[list(numeric)].to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        spread = np.where(high > low, high - low, 1.0)
        deviation = np.abs(values - middle) / spread
    return np.nan_to_num(deviation, nan=0.0).max(axis=1)


def disagreement_of(answers: np.ndarray, others: np.ndarray) -> FloatArray:
    """Return how far two models' answers lie apart; for classes 1 where they differ, shape (n,).

    Args:
        answers: Numbers or classes, shape (n,).
        others: The other model's, shape (n,); NaN or None where it gave none.
    """
    given = pd.notna(others)
    if answers.dtype.kind == "f":
        return np.where(given, np.abs(answers - others.astype(float)), 0.0)
    return ((answers != others) & given).astype(np.float64)


def _most(
    values: FloatArray, strategy: Strategy, *, taken: Sequence[Chosen], count: int
) -> list[Chosen]:
    """Choose the rows with the highest values among those not taken; minus infinity is none."""
    free = np.ones(len(values), dtype=bool)
    free[[one.position for one in taken]] = False
    ranked = np.argsort(-values, kind="stable")
    able = [int(p) for p in ranked if free[p] and values[p] > -np.inf]
    return [Chosen(p, strategy, 1.0) for p in able[: max(count, 0)]]
