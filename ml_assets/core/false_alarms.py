"""From a budget of false alarms a month to the p-values that count.

A problem accepts B alarms a month without drift. Of W windows a month each may then raise one with
probability B / W, at most 5 %. That is divided over everything that can raise one, so that the sum
of the parts bounds the whole however the columns depend on each other (Bonferroni):

- a tenth pays for alarms that do not wait for a second window;
- the rest is divided evenly over the lengths, four fifths of each to the tests of distributions and
  one fifth to the tests of shares of rows, and these evenly over the columns.

An alarm at the length of one window also needs an earlier window that leans the same way
(p <= 0.2 in one of two): independent windows do so with probability 0.4 at most, so its p-value may
be larger by that factor. Longer windows overlap, and their agreement is taken to prove nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from ml_assets.core.problem import Monitoring

Group = Literal["values", "rates"]

MONTH = timedelta(days=30.4375)
MOST_PER_WINDOW = 0.05
WITHOUT_WAITING = 0.1
OF_GROUP: dict[Group, float] = {"values": 0.8, "rates": 0.2}
LEANING = 0.2
EARLIER = 2  # windows before the newest of which one must lean, too


@dataclass(frozen=True)
class Levels:
    """The largest p-values that count.

    Attributes:
        per_window: Accepted probability of an alarm in a window.
        scales: Lengths that are judged, in windows.
        tests: Tests of each group.
    """

    per_window: float
    scales: tuple[int, ...]
    tests: dict[Group, int]

    def of_scale(self, group: Group, scale: int) -> float:
        """Return the level of one test of one length."""
        share = (1 - WITHOUT_WAITING) / len(self.scales)
        chance_of_leaning = EARLIER * LEANING if scale == 1 else 1.0
        return self._of_test(group) * share / chance_of_leaning

    def blatant(self, group: Group) -> float:
        """Return the level of one test in one window, without a second."""
        return self._of_test(group) * WITHOUT_WAITING

    def _of_test(self, group: Group) -> float:
        return self.per_window * OF_GROUP[group] / max(1, self.tests[group])


def levels(
    monitoring: Monitoring,
    window: timedelta,
    *,
    tests: dict[Group, int],
    most: float = float("inf"),
) -> Levels:
    """Spend the declared budget.

    Lengths that the reference does not hold are not judged: it says nothing of how much they vary.

    Args:
        monitoring: The declared rule.
        window: Length of a window.
        tests: Tests of each group that one window may see.
        most: Windows that the reference holds.

    Example:
        >>> rule = Monitoring(false_alarms_per_month=1)
        >>> spent = levels(rule, timedelta(hours=1), tests={"values": 20, "rates": 24})
        >>> round(spent.per_window * 1000, 2)
        1.37
    """
    per_window = min(MOST_PER_WINDOW, monitoring.false_alarms_per_month * (window / MONTH))
    scales = sorted(set(monitoring.scales))
    kept = [scale for scale in scales if scale <= most] or scales[:1]
    return Levels(per_window, tuple(kept), tests)
