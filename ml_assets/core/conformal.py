"""Prediction intervals from the residuals of rows that a model had not seen (split conformal).

The scores of the walk-forward evaluation say how far truths lie from predictions; their quantiles
are the interval of a new row (Vovk, Gammerman & Shafer 2005; Lei et al. 2018). For a number the
two sides have quantiles of their own, so that a skewed or biased error is not covered by a wider
interval on both sides. Where the size of the error depends on the prediction, scores are divided
by that size first. For classes the score of a class is one less its probability, and the classes
below the quantile are the prediction set (LAC; Sadinle, Lei & Wasserman 2019).

Rows that can be exchanged are assumed here; ``online_quantile`` gives that up.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, floor
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.errors import DataError, ServingError

FloatArray = npt.NDArray[np.float64]

FEWEST_SCORES = 30
SIZES = 8  # bins of predictions whose errors may differ in size
ROWS_PER_SIZE = 40
ONE_SIZE = ((0.0,), (1.0,))


@dataclass(frozen=True)
class ErrorSize:
    """How large the error is, on average, for a prediction: linear between knots, then constant.

    Attributes:
        knots: Predictions, ascending.
        sizes: Mean absolute error at each knot, above zero; 1 where only one size is known.
    """

    knots: tuple[float, ...]
    sizes: tuple[float, ...]

    def of(self, predictions: FloatArray) -> FloatArray:
        """Return the size of each prediction's error, shape (n,)."""
        if len(self.sizes) == 1:
            return np.full(len(predictions), self.sizes[0])
        return np.interp(predictions, self.knots, self.sizes)


@dataclass(frozen=True)
class NumberIntervals:
    """What makes an interval of a predicted number.

    Attributes:
        coverage: Share of truths that the intervals are to hold.
        low: Lower quantile of the scores ``(truth - prediction) / size``.
        high: Upper quantile.
        size: Of the error.
        spread: Standard deviation of the scores.
        rows: Scores that the quantiles were taken of.
    """

    coverage: float
    low: float
    high: float
    size: ErrorSize
    spread: float
    rows: int

    def scores(self, truth: FloatArray, predictions: FloatArray) -> FloatArray:
        """Return how far each truth lies above its prediction, in sizes of the error."""
        return (truth - predictions) / self.size.of(predictions)

    def bounds(
        self, predictions: FloatArray, quantiles: tuple[float, float] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return the lower and the upper bound for each prediction.

        Args:
            predictions: Shape (n,).
            quantiles: To be used in place of ``low`` and ``high``.
        """
        low, high = quantiles or (self.low, self.high)
        size = self.size.of(predictions)
        return predictions + low * size, predictions + high * size

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build what ``to_json`` described."""
        size = ErrorSize(tuple(values["size"]["knots"]), tuple(values["size"]["sizes"]))
        plain: dict[str, Any] = {**values, "size": size}
        return cls(**plain)


@dataclass(frozen=True)
class ClassSets:
    """What makes a prediction set of classes' probabilities.

    Attributes:
        coverage: Share of truths that the sets are to hold.
        high: Quantile of the scores ``1 - probability of the true class``.
        spread: Standard deviation of the scores.
        rows: Scores that the quantile was taken of.
    """

    coverage: float
    high: float
    spread: float
    rows: int

    def members(self, probabilities: FloatArray, high: float | None = None) -> np.ndarray:
        """Return which classes are in each row's set, shape (n, k); the likeliest always is.

        Args:
            probabilities: Shape (n, k).
            high: To be used in place of the attribute.
        """
        least = 1 - (self.high if high is None else high)
        # A set that holds nothing tells a caller nothing.
        return probabilities >= np.minimum(least, probabilities.max(axis=1, keepdims=True))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build what ``to_json`` described."""
        return cls(**values)


Intervals = NumberIntervals | ClassSets


def intervals_from_json(values: Mapping[str, Any]) -> Intervals:
    """Build what ``to_json`` of either kind described.

    Raises:
        ServingError: If it is neither.
    """
    try:
        kind = NumberIntervals if "low" in values else ClassSets
        return kind.from_json(values)
    except (KeyError, TypeError) as error:
        message = f"The release's intervals cannot be read ({error}). Build the release again."
        raise ServingError(message) from error


def calibrate_numbers(
    truth: FloatArray, predictions: FloatArray, *, coverage: float
) -> NumberIntervals | None:
    """Return the intervals that unseen rows ask for.

    The size of the error follows the prediction if that gave better intervals on the later half of
    the rows (by the interval score; Gneiting & Raftery 2007). The quantiles are then those of the
    later half alone, for the sizes were learned on the earlier one.

    Args:
        truth: Of rows that the model had not seen, in order of time, shape (n,).
        predictions: Of the same rows.
        coverage: Share of truths that an interval is to hold.

    Returns:
        None if there are too few rows.
    """
    finite = np.isfinite(truth) & np.isfinite(predictions)
    truth, predictions = truth[finite], predictions[finite]
    fewest = _fewest((1 - coverage) / 2)
    if len(truth) < fewest:
        return None
    plain = _of_scores(truth, predictions, ErrorSize(*ONE_SIZE), coverage)
    half = len(truth) // 2
    size = _learned_size(predictions[:half], np.abs(truth - predictions)[:half])
    if size is None or len(truth) - half < fewest:
        return plain
    local = _of_scores(truth[half:], predictions[half:], size, coverage)
    # Both are judged on rows that gave the quantiles of neither.
    middle = half + half // 2
    rivals = [
        _of_scores(truth[half:middle], predictions[half:middle], one, coverage)
        for one in (ErrorSize(*ONE_SIZE), size)
    ]
    later = truth[middle:], predictions[middle:]
    scores = [interval_score(later[0], *one.bounds(later[1]), coverage) for one in rivals]
    return local if scores[1] < scores[0] else plain


def calibrate_classes(chances_of_truth: FloatArray, *, coverage: float) -> ClassSets | None:
    """Return the prediction sets that unseen rows ask for.

    Args:
        chances_of_truth: Probability that each row's true class was given, shape (n,).
        coverage: Share of truths that a set is to hold.

    Returns:
        None if there are too few rows.
    """
    scores = 1 - chances_of_truth[np.isfinite(chances_of_truth)]
    if len(scores) < _fewest(1 - coverage):
        return None
    high = min(upper_quantile(scores, 1 - coverage), 1.0)
    return ClassSets(coverage, high, float(scores.std()), len(scores))


def _fewest(tail: float) -> int:
    """Return how many scores tell a tail: of fewer, the largest is exceeded more often."""
    return max(FEWEST_SCORES, ceil(round(1 / tail, 9)) - 1)


def upper_quantile(scores: FloatArray, miscoverage: float) -> float:
    """Return the smallest score that a new one exceeds with at most this chance.

    Example:
        >>> upper_quantile(np.arange(1.0, 100.0), 0.1)
        90.0
    """
    place = ceil(round((len(scores) + 1) * (1 - miscoverage), 9))
    return float(np.partition(scores, min(place, len(scores)) - 1)[min(place, len(scores)) - 1])


def lower_quantile(scores: FloatArray, miscoverage: float) -> float:
    """Return the largest score that a new one falls below with at most this chance."""
    place = max(floor(round((len(scores) + 1) * miscoverage, 9)), 1)
    return float(np.partition(scores, place - 1)[place - 1])


def interval_score(truth: FloatArray, low: FloatArray, high: FloatArray, coverage: float) -> float:
    """Return the mean width, with a fine for each truth outside in proportion to its distance.

    It is proper: the true quantiles have the lowest expected score (Gneiting & Raftery 2007).
    """
    if truth.shape != low.shape:
        message = f"{truth.shape} truths do not belong to {low.shape} intervals."
        raise DataError(message)
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return float((high - low + 2 / (1 - coverage) * outside).mean())


def _of_scores(
    truth: FloatArray, predictions: FloatArray, size: ErrorSize, coverage: float
) -> NumberIntervals:
    scores = (truth - predictions) / size.of(predictions)
    side = (1 - coverage) / 2
    return NumberIntervals(
        coverage=coverage,
        low=lower_quantile(scores, side),
        high=upper_quantile(scores, side),
        size=size,
        spread=float(scores.std()),
        rows=len(scores),
    )


def _learned_size(predictions: FloatArray, errors: FloatArray) -> ErrorSize | None:
    """Return the mean error around quantiles of the prediction; None where rows do not suffice."""
    bins = min(SIZES, len(predictions) // ROWS_PER_SIZE)
    typical = float(errors.mean()) if len(errors) else 0.0
    if bins < 2 or typical == 0:
        return None
    order = np.argsort(predictions, kind="stable")
    parts = np.array_split(order, bins)
    knots = np.array([predictions[part].mean() for part in parts])
    # A little of the overall size goes into each: no interval may shrink to nothing.
    sizes = np.array([0.9 * errors[part].mean() + 0.1 * typical for part in parts])
    kept = np.r_[True, np.diff(knots) > 0]
    return ErrorSize(tuple(knots[kept].tolist()), tuple(sizes[kept].tolist()))
