"""How much more a model loses now than it used to, and how sure that is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from ml_assets.core.gain import over_time

FloatArray = npt.NDArray[np.float64]
LossSource = Literal["realised", "estimated", "audited"]

MOST_BLOCKS = 200
MIN_BLOCKS = 8


@dataclass(frozen=True)
class UsualLoss:
    """The loss of a model where it was judged before it served.

    Attributes:
        mean: Mean loss of a row; above zero also where nothing was lost.
        row_variance: Variance of the mean times the rows: neighbours in time share their luck.
        degrees: Pieces of time that the variance rests on, less those it used up.
        rows: Rows it was measured on.
    """

    mean: float
    row_variance: float
    degrees: float
    rows: int

    @classmethod
    def of(cls, losses: FloatArray, times: npt.NDArray[np.datetime64]) -> Self:
        """Measure the losses of rows in order of time.

        Args:
            losses: Shape (n,), n > 0.
            times: Event times in UTC, shape (n,).
        """
        rows, mean = len(losses), float(losses.mean())
        if not losses.any():
            # No miss in so many rows is not "never": half a miss by the prior of Jeffreys (1946).
            chance = 0.5 / (rows + 1)
            return cls(chance, chance * (1 - chance), max(rows - 1, 1), rows)
        blocks = min(MOST_BLOCKS, max(MIN_BLOCKS, len(np.unique(times)) // 5))
        place = np.arange(rows) * blocks // rows
        sums: FloatArray = np.zeros(blocks)
        np.add.at(sums, place, (losses - mean) / rows)
        variance, degrees = over_time(sums)
        return cls(mean, variance * rows, degrees, rows)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the interval of the mean."""
        margin = float(t.isf((1 - confidence) / 2, self.degrees)) * sqrt(
            self.row_variance / self.rows
        )
        return self.mean - margin, self.mean + margin


@dataclass(frozen=True)
class LossReading:
    """The loss of the champion over a recent stretch, beside its usual one.

    Attributes:
        source: Where it comes from: labels, an estimate without them, or a random audit.
        loss: Mean loss of a row in the stretch.
        usual: Mean loss of a row when the champion was judged.
        error: Standard error of the difference of the two.
        degrees: Degrees of freedom of the error.
        rows: Rows whose loss is known, or estimated.
        since: Start of the stretch.
    """

    source: LossSource
    loss: float
    usual: float
    error: float
    degrees: float
    rows: int
    since: datetime

    @classmethod
    def of(
        cls,
        usual: UsualLoss,
        losses: FloatArray,
        *,
        since: datetime,
        source: LossSource = "realised",
    ) -> Self:
        """Read the known losses of a stretch; their noise is taken to be the usual one."""
        mean = float(losses.mean())
        return cls.of_mean(usual, mean, rows=len(losses), since=since, source=source)

    @classmethod
    def of_mean(
        cls, usual: UsualLoss, loss: float, *, rows: int, since: datetime, source: LossSource
    ) -> Self:
        """Read a mean loss that rests on so many rows."""
        error = sqrt(usual.row_variance * (1 / rows + 1 / usual.rows))
        return cls(source, loss, usual.mean, error, usual.degrees, rows, since)

    @property
    def excess(self) -> float:
        """How much more is lost, as a share of the usual loss."""
        return (self.loss - self.usual) / self.usual if self.usual > 0 else 0.0

    def has_risen(self, *, level: float) -> bool:
        """Say whether the rise is proven, with an error of ``level``."""
        bound = float(t.isf(level, self.degrees)) * self.error
        return self.loss - self.usual > max(bound, 0.0)

    def lasted(self, now: datetime) -> timedelta:
        """Return how long the stretch is."""
        return now - self.since
