"""How much lower the challenger's mean loss is, and how far chance may have moved that figure.

Rows are no independent observations: neighbours in time share their weather, rows of one key share
their machine. So the variance is that of sums: over blocks of time, whose autocorrelation counts,
and over keys, where it was chance which version a key met. The larger one is believed.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import inf

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

_COSINES = 0.4  # times n^(2/3)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The champion's mean loss less the challenger's; above zero, the challenger is better.

    Attributes:
        estimate: In the unit of the loss.
        variance: Of the estimate.
        degrees: Independent pieces that the variance rests on, less those it used up.
        champion_loss: Mean of the rows.
        challenger_loss: Mean of the rows.
        champion_rows: Rows that the champion answered.
        challenger_rows: Rows that the challenger answered.
    """

    estimate: float
    variance: float
    degrees: float
    champion_loss: float
    challenger_loss: float
    champion_rows: int
    challenger_rows: int


@dataclass(frozen=True, eq=False)
class PairedRows:
    """Rows that both versions answered: the challenger ran in the shadow.

    Every row of every key is compared, so only time is a sample.

    Attributes:
        champion: The champion's losses, shape (n,).
        challenger: The challenger's losses of the same rows, shape (n,).
        times: Event times in UTC, shape (n,).
        block: Length of the blocks of time.
    """

    champion: FloatArray
    challenger: FloatArray
    times: Times
    block: timedelta

    def gain(self, *, allowed: float = 0.0) -> Gain | None:
        """Return the gain over a champion whose losses are ``1 + allowed`` times as large.

        Returns:
            None as long as fewer than two blocks of time hold rows.
        """
        champion = (1 + allowed) * self.champion
        rows = len(champion)
        blocks = _numbered(_blocks(self.times, self.block))
        if rows == 0 or blocks.max() < 1:
            return None
        difference = champion - self.challenger
        estimate = float(difference.mean())
        variance, degrees = over_time(_sums(blocks, (difference - estimate) / rows))
        return Gain(
            estimate=estimate,
            variance=variance,
            degrees=degrees,
            champion_loss=float(self.champion.mean()),
            challenger_loss=float(self.challenger.mean()),
            champion_rows=rows,
            challenger_rows=rows,
        )


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Rows that one of two versions answered, as the key's hash decided.

    Attributes:
        losses: Shape (n,).
        challenger: Whether the challenger answered, shape (n,).
        keys: Number of the routing key, shape (n,).
        times: Event times in UTC, shape (n,).
        block: Length of the blocks of time.
    """

    losses: FloatArray
    challenger: npt.NDArray[np.bool_]
    keys: IntArray
    times: Times
    block: timedelta

    def gain(self, *, allowed: float = 0.0) -> Gain | None:
        """Return the gain over a champion whose losses are ``1 + allowed`` times as large.

        Returns:
            None as long as a version has fewer than two keys, or only one block of time has rows.
        """
        theirs, ours = self.losses[~self.challenger], self.losses[self.challenger]
        if min(len(theirs), len(ours)) == 0:
            return None
        blocks = _numbered(_blocks(self.times, self.block))
        clusters = _numbered(2 * _numbered(self.keys) + self.challenger)
        arm = np.zeros(clusters.max() + 1, dtype=bool)
        arm[clusters] = self.challenger
        if min(arm.sum(), (~arm).sum()) < 2 or blocks.max() < 1:
            return None
        # What each row moves the estimate by: Δ is a difference of two means.
        moves = np.where(
            self.challenger,
            -(self.losses - ours.mean()) / len(ours),
            (1 + allowed) * (self.losses - theirs.mean()) / len(theirs),
        )
        variance, degrees = self._variance(moves, clusters, blocks, arm)
        return Gain(
            estimate=float((1 + allowed) * theirs.mean() - ours.mean()),
            variance=variance,
            degrees=degrees,
            champion_loss=float(theirs.mean()),
            challenger_loss=float(ours.mean()),
            champion_rows=len(theirs),
            challenger_rows=len(ours),
        )

    @staticmethod
    def _variance(
        moves: FloatArray, clusters: IntArray, blocks: IntArray, arm: npt.NDArray[np.bool_]
    ) -> tuple[float, float]:
        """The largest of three: over keys, over time, and over both.

        The last is the two-way clustered variance of Cameron, Gelbach & Miller (2011, Journal of
        Business & Economic Statistics 29).
        """
        by_key, key_degrees = over_keys(_sums(clusters, moves), arm)
        by_time, time_degrees = over_time(_sums(blocks, moves))
        cells = _numbered(clusters * (blocks.max() + 1) + blocks)
        shared = float((_sums(cells, moves) ** 2).sum())
        both = by_key + by_time - shared
        return max(
            (by_key, key_degrees),
            (by_time, time_degrees),
            (both, min(key_degrees, time_degrees)),
        )


def over_time(sums: FloatArray) -> tuple[float, float]:
    """Return the variance of a total of autocorrelated terms, and its degrees of freedom.

    The long-run variance by equal-weighted cosines, with the number of cosines that Lazarus, Lewis,
    Stock & Watson (2018, Journal of Business & Economic Statistics 36) recommend, which is also the
    degrees of freedom. It is not believed where it is smaller than the variance of independent
    terms.

    Args:
        sums: One term a block, in order of time, with mean zero, shape (n,), n > 1.

    Example:
        >>> variance, degrees = over_time(np.array([1.0, -1.0] * 50))
        >>> round(variance, 2), degrees
        (101.01, 8.0)
    """
    count = len(sums)
    cosines = max(int(_COSINES * count ** (2 / 3)), 1)
    found = dct(sums, type=2)[1 : cosines + 1] / np.sqrt(2 * count)
    long_run = count * float((found**2).mean())
    independent = float((sums**2).sum()) * count / (count - 1)
    return max(long_run, independent), float(cosines)


def over_keys(sums: FloatArray, arm: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the variance of a total over keys that chance gave to two arms, and its degrees.

    The degrees are those of Welch and Satterthwaite (1946, Biometrics Bulletin 2).

    Args:
        sums: One term a key, with mean zero in each arm, shape (keys,).
        arm: Which arm the key is in, shape (keys,); two keys or more in each.
    """
    parts = [sums[arm], sums[~arm]]
    variances = [float((part**2).sum()) * len(part) / (len(part) - 1) for part in parts]
    total = sum(variances)
    if total == 0:
        return 0.0, inf
    used = sum(v**2 / (len(p) - 1) for v, p in zip(variances, parts, strict=True))
    return total, total**2 / used


def _blocks(times: Times, block: timedelta) -> IntArray:
    length = block // timedelta(microseconds=1)
    return times.astype("datetime64[us]").astype(np.int64) // length


def _sums(groups: IntArray, values: FloatArray) -> FloatArray:
    return np.bincount(groups, weights=values).astype(np.float64)


def _numbered(values: IntArray) -> IntArray:
    """Return the place of each value among the distinct ones, ascending."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
