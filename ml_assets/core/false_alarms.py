"""From a budget of false alarms a month to the p-values that count.

A problem accepts B alarms a month without drift. Of W windows a month each may then raise one with
probability B / W, at most 5 %. That is divided over everything that can raise one, so that the sum
of the parts bounds the whole however the columns depend on each other (Bonferroni):

- a tenth pays for alarms that do not wait for a second window;
- of the rest, nine tenths go to the tests of distributions, and one tenth to those of shares of
  rows, which chance alone hardly ever makes large enough to count;
- the levels fall with the root of a length: a longer one sees more by itself;
- a column of categories, and what the model errs by, gets six times the level of another: a change
  of a share that matters is smaller than one of a number, and what errs asks for an answer.

An alarm at the length of one window also needs an earlier window that leans the same way
(p <= 0.2 in one of two): independent windows do so with probability 0.4 at most, so that length
costs no more than that part of its level. Longer windows overlap, and their agreement is taken to
prove nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ml_assets.core.problem import Monitoring

Group = Literal["values", "rates"]

MONTH = timedelta(days=30.4375)
MOST_PER_WINDOW = 0.05
WITHOUT_WAITING = 0.1
OF_GROUP: dict[Group, float] = {"values": 0.9, "rates": 0.1}
TELLING = 6.0  # weight of a test that finds what is small or most wanted
LEANING = 0.2
EARLIER = 2  # windows before the newest of which one must lean, too


@dataclass(frozen=True)
class Levels:
    """The largest p-values that count.

    Attributes:
        per_window: Accepted probability of an alarm in a window.
        scales: Lengths that are judged, in windows.
        weights: Sum of the weights of the tests of each group.
    """

    per_window: float
    scales: tuple[int, ...]
    weights: dict[Group, float]

    def of_scale(self, group: Group, scale: int, *, weight: float = 1.0) -> float:
        """Return the level of one test of one length."""
        costs = [_fallen(one) * (EARLIER * LEANING if one == 1 else 1) for one in self.scales]
        share = (1 - WITHOUT_WAITING) * _fallen(scale) / sum(costs)
        return self._of_test(group, weight) * share

    def blatant(self, group: Group, *, weight: float = 1.0) -> float:
        """Return the level of one test in one window, without a second."""
        return self._of_test(group, weight) * WITHOUT_WAITING

    def _of_test(self, group: Group, weight: float) -> float:
        return self.per_window * OF_GROUP[group] * weight / max(1.0, self.weights[group])


def levels(
    monitoring: Monitoring,
    window: timedelta,
    *,
    weights: dict[Group, float],
    most: float = float("inf"),
) -> Levels:
    """Spend the declared budget.

    Lengths that the reference does not hold are not judged: it says nothing of how much they vary.

    Args:
        monitoring: The declared rule.
        window: Length of a window.
        weights: Sum of the weights of the tests of each group that one window may see.
        most: Windows that the reference holds.

    Example:
        >>> rule = Monitoring(false_alarms_per_month=1)
        >>> spent = levels(rule, timedelta(hours=1), weights={"values": 20, "rates": 24})
        >>> round(spent.per_window * 1000, 2)
        1.37
    """
    per_window = min(MOST_PER_WINDOW, monitoring.false_alarms_per_month * (window / MONTH))
    scales = sorted(set(monitoring.scales))
    kept = [scale for scale in scales if scale <= most] or scales[:1]
    return Levels(per_window, tuple(kept), weights)


def _fallen(scale: int) -> float:
    """Return the level of a length against that of one window."""
    return scale**-0.5
