"""How far two samples of a column are apart, and how far they usually are.

The distance is Wasserstein's of order one in standard deviations of the reference, over quantiles.
What is usual is measured on stretches of the reference as long as the recent one, each against the
rest: seasons and slow swings are in it.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.rows import ComparedRows

LEVELS = np.linspace(0.02, 0.98, 25)
MIN_VALUES = 40
MOST_STRETCHES = 12
USUAL_AT_LEAST = 0.1  # standard deviations
FAR = 3.0  # times what is usual


@dataclass(frozen=True, eq=False)
class Column:
    """A numeric column before and since.

    Attributes:
        name: Its name.
        before: Its quantiles in the reference.
        since: Its quantiles in the newest half of the recent rows: the older ones may be as before.
        spread: Standard deviation in the reference.
        usual: Largest usual distance.
    """

    name: str
    before: FloatArray
    since: FloatArray
    spread: float
    usual: float

    @property
    def moved(self) -> bool:
        """Whether it is much further away than usual."""
        return self.distance(self.since) > FAR * self.usual

    def distance(self, quantiles: FloatArray) -> float:
        """Return how far quantiles are from the reference's."""
        return float(np.abs(quantiles - self.before).mean() / self.spread)

    def resembles(self, quantiles: FloatArray) -> bool:
        """Whether quantiles are as close to the reference's as usual."""
        return self.distance(quantiles) <= max(self.usual, USUAL_AT_LEAST)


def columns_of(reference: ComparedRows, recent: ComparedRows) -> list[Column]:
    """Return the numeric columns with enough values on both sides that vary in the reference."""
    found = []
    for name in reference.numeric:
        values = recent.numbers(name)
        before, since = _present(reference.numbers(name)), _present(values[len(values) // 2 :])
        if min(len(before), len(since)) < MIN_VALUES or not before.std() > 0:
            continue
        spread = float(before.std())
        usual = _usual(before, len(since), spread)
        found.append(Column(name, quantiles(before), quantiles(since), spread, usual))
    return found


def quantiles(values: FloatArray) -> FloatArray:
    """Return the quantiles that samples are compared by."""
    return np.quantile(values, LEVELS)


def _present(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]


def _usual(values: FloatArray, length: int, spread: float) -> float:
    stretches = int(np.clip(len(values) // max(length, MIN_VALUES), 2, MOST_STRETCHES))
    parts = np.array_split(values, stretches)
    distances = []
    for at, part in enumerate(parts):
        rest = np.concatenate([other for number, other in enumerate(parts) if number != at])
        distances.append(np.abs(quantiles(part) - quantiles(rest)).mean() / spread)
    return max(float(np.max(distances)), USUAL_AT_LEAST)
