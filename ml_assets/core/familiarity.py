"""How far a row lies from what a model was trained on, for a few microseconds a row.

Each number becomes its normal score among the training rows: a continuous function that is linear
between some of their quantiles, and goes on in their spread beyond. The distance of a row is the
Mahalanobis distance of its scores, with the surprise of its texts added. A row is unfamiliar when
it lies farther out than all but a declared share of training rows that were held out: the last
ones, so that what moves with time has moved.

The distance tells that a row is unlike the training rows, not that its answer is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.errors import ServingError
from ml_assets.core.text_levels import looked_up

FloatArray = npt.NDArray[np.float64]

_NORMAL = NormalDist()
CHANCES = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
SCORES = np.array([_NORMAL.inv_cdf(chance) for chance in CHANCES])
FARTHEST = 12.0  # score of what was never seen, and the farthest that is learned from
HELD_OUT = 0.2
SHRINKAGE = 0.1  # towards numbers that know nothing of each other
MOST_TEXTS = 1000  # more different texts name things, and a new thing is nothing strange
FEWEST_ROWS = 100


@dataclass(frozen=True)
class Familiarity:
    """What the training rows looked like. k numbers, m knots.

    Attributes:
        numbers: Names of the numbers.
        knots: Shape (m, k): where the slope of each score changes.
        bends: Shape (m, k): by how much it does.
        slope: Shape (k,): slope of each score below the first knot.
        offset: Shape (k,): each score at zero, by that slope.
        missing: Shape (k,): score of a missing number.
        center: Shape (k,): mean of the scores.
        whitening: Shape (k, k): turns scores into numbers that know nothing of each other.
        texts: By name, the surprise of each text; None where there were too many.
        unseen: Surprise of a text that was never seen.
        threshold: Distance beyond which a row is unfamiliar.
        rate: Share of familiar rows that lie beyond it.
    """

    numbers: tuple[str, ...]
    knots: FloatArray
    bends: FloatArray
    slope: FloatArray
    offset: FloatArray
    missing: FloatArray
    center: FloatArray
    whitening: FloatArray
    texts: Mapping[str, Mapping[str, float] | None]
    unseen: float
    threshold: float
    rate: float

    def distances(self, numbers: FloatArray, texts: Sequence[Sequence[str | None]]) -> FloatArray:
        """Return how far out each row lies, shape (n,).

        Args:
            numbers: Shape (n, k), NaN where missing.
            texts: One sequence of n values a text, in the order of ``texts``.
        """
        # By rows in memory, whatever comes: the order of sums depends on it.
        plain = self._plain(np.ascontiguousarray(numbers))
        white = (plain - self.center) @ self.whitening
        squares = np.einsum("nk,nk->n", white, white)
        if np.isnan(squares).any():
            white = (np.where(np.isnan(plain), self.missing, plain) - self.center) @ self.whitening
            squares = np.einsum("nk,nk->n", white, white)
        for surprise, column in zip(self.texts.values(), texts, strict=True):
            if surprise is not None:
                squares += self._surprises(surprise, column)
        return np.sqrt(squares)

    def scores(self, numbers: FloatArray) -> FloatArray:
        """Return the normal score of each number, within bounds, shape (n, k)."""
        scores = np.clip(self._plain(numbers), -FARTHEST, FARTHEST)
        return np.where(np.isnan(scores), self.missing, scores)

    def strangest(self, numbers: FloatArray, texts: Sequence[str | None]) -> str:
        """Return the name of the feature that is farthest out in one row.

        Args:
            numbers: Shape (k,).
            texts: One value a text.
        """
        far = dict(zip(self.numbers, np.abs(self.scores(numbers[None])[0]).tolist(), strict=True))
        for (name, surprise), value in zip(self.texts.items(), texts, strict=True):
            if surprise is not None:
                far[name] = surprise.get(value or "", self.unseen) ** 0.5
        return max(far, key=lambda name: far[name])

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build what ``to_json`` described.

        Raises:
            ServingError: If the shapes do not fit each other.
        """
        arrays = ("knots", "bends", "slope", "offset", "missing", "center", "whitening")
        plain: dict[str, Any] = {**values, "numbers": tuple(values["numbers"])}
        for name in arrays:
            plain[name] = np.array(values[name], dtype=np.float64)
        made = cls(**plain)
        k = len(made.numbers)
        shapes = {name: getattr(made, name).shape[-1] for name in arrays if k}
        if any(size != k for size in shapes.values()):
            message = f"The release's familiarity has {k} numbers and arrays for {shapes}."
            raise ServingError(message)
        return made

    def _surprises(self, known: Mapping[str, float], column: Sequence[str | None]) -> FloatArray:
        return looked_up(column, lambda text: known.get(text or "", self.unseen))

    def _plain(self, numbers: FloatArray) -> FloatArray:
        """Return the normal scores; NaN where a number is missing."""
        above = np.maximum(numbers[:, None, :] - self.knots, 0.0)
        return numbers * self.slope + self.offset + np.einsum("nmk,mk->nk", above, self.bends)


def learn_familiarity(
    numbers: FloatArray,
    texts: Mapping[str, Sequence[str | None]],
    *,
    names: tuple[str, ...],
    rate: float,
) -> Familiarity | None:
    """Return what training rows look like, with the threshold that the last of them ask for.

    Args:
        numbers: Shape (n, k), in order of time, NaN where missing.
        texts: n values of each text.
        names: Of the k numbers.
        rate: Share of familiar rows that may be called unfamiliar.

    Returns:
        None if there are too few rows, or nothing to measure.
    """
    rows = len(numbers)
    first = int(rows * (1 - HELD_OUT))
    if rows < FEWEST_ROWS or not (names or texts):
        return None
    earlier = _learned(
        numbers[:first], {name: column[:first] for name, column in texts.items()}, names
    )
    held_out = earlier.distances(numbers[first:], [column[first:] for column in texts.values()])
    place = min(int(np.ceil((len(held_out) + 1) * (1 - rate))), len(held_out))
    threshold = float(np.sort(held_out)[place - 1])
    return replace(_learned(numbers, texts, names), threshold=threshold, rate=rate)


def _learned(
    numbers: FloatArray, texts: Mapping[str, Sequence[str | None]], names: tuple[str, ...]
) -> Familiarity:
    k = len(names)
    knots, bends = np.zeros((len(CHANCES), k)), np.zeros((len(CHANCES), k))
    slope, offset, missing = np.zeros(k), np.zeros(k), np.zeros(k)
    for n in range(k):
        knots[:, n], bends[:, n], slope[n], offset[n], missing[n] = _score_of(numbers[:, n])
    draft = Familiarity(
        numbers=names,
        knots=knots,
        bends=bends,
        slope=slope,
        offset=offset,
        missing=missing,
        center=np.zeros(k),
        whitening=np.eye(k),
        texts={name: _surprises(column) for name, column in texts.items()},
        unseen=FARTHEST**2,
        threshold=np.inf,
        rate=0.0,
    )
    if not k:
        return draft
    scores = draft.scores(numbers)
    center = scores.mean(axis=0)
    covariance = np.atleast_2d(np.cov(scores, rowvar=False)).astype(np.float64)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(k)
    whitening = np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float64)
    return replace(draft, center=center, whitening=whitening)


def _score_of(
    values: FloatArray,
) -> tuple[FloatArray, FloatArray, float, float, float]:
    """Return knots, bends, slope, offset and the score of a missing value for one number."""
    known = values[np.isfinite(values)]
    absent = 1 - len(known) / len(values)
    # What was never missing is as strange as a text that was never seen.
    missing = FARTHEST if absent == 0 else min(-_NORMAL.inv_cdf(max(absent, 1e-6) / 2), FARTHEST)
    if not len(known):
        return np.zeros(len(CHANCES)), np.zeros(len(CHANCES)), 0.0, FARTHEST, 0.0
    quantiles = np.quantile(known, CHANCES)
    at, group = np.unique(quantiles, return_inverse=True)
    # Several quantiles in one place: their scores have a mean.
    scores = np.bincount(group, SCORES) / np.bincount(group)
    tail = _outer_slope(known, quantiles)
    slopes = np.concatenate([[tail], np.diff(scores) / np.diff(at), [tail]])
    knots = np.full(len(CHANCES), at[-1])
    bends = np.zeros(len(CHANCES))
    knots[: len(at)] = at
    bends[: len(at)] = np.diff(slopes)
    return knots, bends, float(slopes[0]), float(scores[0] - slopes[0] * at[0]), missing


def _outer_slope(known: FloatArray, quantiles: FloatArray) -> float:
    """Return how fast the score grows beyond the outermost quantiles: one a spread."""
    spread = max((quantiles[-1] - quantiles[0]) / (SCORES[-1] - SCORES[0]), float(known.std()))
    if spread > 0:
        return 1 / float(spread)
    # It was always the same: any other value is strange, in whatever unit.
    return 1 / max(1e-6 * abs(float(known[0])), 1e-9)


def _surprises(column: Sequence[str | None]) -> dict[str, float] | None:
    """Return -2 log of each text's share beside the most frequent one's."""
    values, counts = np.unique([value or "" for value in column], return_counts=True)
    if len(values) > MOST_TEXTS:
        return None
    most = log(counts.max())
    surprises = [2 * (most - log(count)) for count in counts.tolist()]
    return dict(zip(values.tolist(), surprises, strict=True))
