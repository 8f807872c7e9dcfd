"""Which past labels a problem's features read, and how far back that reaches."""

from dataclasses import dataclass
from datetime import timedelta

from ml_assets.core.inference.durations import DAY, WEEK, YEAR, at_least
from ml_assets.core.inference.values import Inference

HALF = 2


@dataclass(frozen=True)
class Lag:
    """A label of a fixed age.

    Attributes:
        name: Ending of the feature's name, such as "1d".
        age: Time between the label's event and the row's.
    """

    name: str
    age: timedelta


@dataclass(frozen=True)
class LabelPlan:
    """Past labels that features read.

    Attributes:
        lags: Labels of a fixed age; one that is up to a ``tolerance`` older will do.
        tolerance: See ``lags``.
        means: Lengths of rolling means, by ending of the feature's name.
        reach: Age beyond which the newest known label is not read.
    """

    lags: tuple[Lag, ...]
    tolerance: timedelta
    means: tuple[Lag, ...]
    reach: timedelta

    @property
    def lookback(self) -> timedelta:
        """Longest history any of these features uses."""
        longest = max((mean.age for mean in self.means), default=timedelta(0))
        oldest = max((lag.age for lag in self.lags), default=timedelta(0))
        return max(self.reach + longest, oldest + self.tolerance)


def plan_labels(inference: Inference) -> LabelPlan:
    """Choose lags and means that fit step, span and label delay.

    Args:
        inference: What the file has shown.
    """
    pace, delay = inference.pace, inference.truth.delay
    lags = []
    timed = inference.time.sequence is None
    for unit, sign, fits in (
        (DAY, "d", pace.step <= DAY / 2 and pace.span >= 14 * DAY),
        (WEEK, "w", pace.step <= DAY and pace.span >= 6 * WEEK),
        (YEAR, "y", pace.step >= DAY and pace.span >= 3 * YEAR),
    ):
        # The youngest label of the season that is known: two seasons back if one is too young.
        first = max(1, -(-delay // unit))
        if fits and timed and first * unit <= pace.span / 8:
            lags += [Lag(f"{first + n}{sign}", (first + n) * unit) for n in range(HALF)]
    if timed:
        means = [
            Lag(name, length)
            for name, length in (("1d", DAY), ("1w", WEEK), ("4w", 4 * WEEK), ("1y", YEAR))
            if 4 * pace.step <= length <= pace.span / 8
        ][:HALF]
    else:
        means = []
    if len(means) < HALF:
        means.append(Lag("8_steps", 8 * pace.step))
    reach = at_least(delay + 4 * pace.step)
    return LabelPlan(tuple(lags), pace.step, tuple(means), max(reach, 24 * pace.step))
