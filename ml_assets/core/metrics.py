"""Metrics as functions of means over rows, so that one bootstrap serves them all.

Every metric is written as ``combined(mean of terms)``: ``terms`` gives each row one or more
numbers, ``combined`` turns their means into the metric's value. A resample of the rows then needs
new means only, never the rows again. ROC AUC is no such function; its terms are the placement
values of DeLong, DeLong & Clarke-Pearson (1988), whose mean is the AUC and whose resampled means
have its first-order variation.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.errors import DataError, nearest
from ml_assets.core.problem import METRICS, ROW_LOSSES

HIGHER_IS_BETTER = frozenset({"r2", "accuracy", "roc_auc", "f1", "temporal_kappa"})
_SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # as scikit-learn's log_loss

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model answers for some rows.

    Attributes:
        values: Shape (n,). Regression: floats. Classification: labels.
        probabilities: Shape (n, k), one column a class; None for regression.
        classes: The k classes in the order of the columns; the last of two is the positive one.
    """

    values: np.ndarray
    probabilities: FloatArray | None = None
    classes: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def positive(self) -> FloatArray:
        """Probability of the last class, shape (n,)."""
        if self.probabilities is None:
            message = "These predictions have no probabilities: they are a regression's."
            raise DataError(message)
        return self.probabilities[:, -1]

    @property
    def confidence(self) -> FloatArray:
        """Probability of the answered class, shape (n,)."""
        probabilities = _probabilities("confidence", self)
        return probabilities[np.arange(len(self)), _codes(self.values, self)]

    def rows(self, positions: np.ndarray) -> Self:
        """Return the predictions of some rows, by position or mask."""
        chosen = None if self.probabilities is None else self.probabilities[positions]
        return type(self)(self.values[positions], chosen, self.classes)

    def among(self, classes: tuple[Any, ...]) -> Self:
        """Return the same predictions with a column for each of ``classes``; new ones get 0."""
        if self.probabilities is None or classes == self.classes:
            return self
        wide = np.zeros((len(self), len(classes)))
        wide[:, [classes.index(known) for known in self.classes]] = self.probabilities
        return type(self)(self.values, wide, classes)


def higher_is_better(metric: str) -> bool:
    """Say whether a larger value of ``metric`` is a better one; a bias is best at zero."""
    return metric in HIGHER_IS_BETTER


def row_loss(metric: str, y: np.ndarray, predictions: Predictions) -> FloatArray:
    """Return one loss a row, lower is better; accuracy's is 1 for a miss.

    Args:
        metric: One of ROW_LOSSES.
        y: Truth, shape (n,).
        predictions: Of the same n rows.

    Raises:
        DataError: If the metric is no mean over rows.
    """
    match metric:
        case "mae":
            return np.abs(_residual(y, predictions))
        case "rmse":
            return _residual(y, predictions) ** 2
        case "accuracy":
            return (predictions.values != y).astype(np.float64)
        case "log_loss":
            chosen = _probabilities(metric, predictions)[np.arange(len(y)), _codes(y, predictions)]
            return -np.log(np.clip(chosen, _SMALLEST_PROBABILITY, 1.0))
        case "brier":
            _probabilities(metric, predictions)
            return (predictions.positive - _is_positive(y, predictions)) ** 2
        case _:
            message = f"{metric!r} is not a mean of losses over rows. {nearest(metric, ROW_LOSSES)}"
            raise DataError(message)


def loss_value(metric: str, mean_loss: npt.ArrayLike) -> FloatArray:
    """Return the loss on the scale people read: rmse takes its root, others stay.

    Example:
        >>> float(loss_value("rmse", 9.0)), float(loss_value("mae", 9.0))
        (3.0, 9.0)
    """
    # A resampled mean of zeros can come out a speck below zero.
    loss = np.maximum(np.asarray(mean_loss, dtype=np.float64), 0.0)
    return np.sqrt(loss) if metric == "rmse" else loss


def terms(
    metric: str, y: np.ndarray, predictions: Predictions, *, no_change: np.ndarray | None = None
) -> FloatArray:
    """Return what ``combined`` needs the means of, shape (n, k).

    Args:
        metric: One of METRICS.
        y: Truth, shape (n,).
        predictions: Of the same n rows.
        no_change: The last known label of each row, for temporal_kappa.

    Raises:
        DataError: If the metric is unknown or lacks probabilities or ``no_change``.
    """
    match metric:
        case "mae" | "rmse" | "accuracy" | "log_loss" | "brier":
            return row_loss(metric, y, predictions)[:, None]
        case "bias":
            return _residual(y, predictions)[:, None]
        case "r2":
            centred = np.asarray(y, np.float64) - np.mean(y)  # keeps mean(y^2) - mean(y)^2 exact
            return np.column_stack([_residual(y, predictions) ** 2, centred, centred**2])
        case "roc_auc":
            return _placements(y, predictions)[:, None]
        case "f1":
            return _confusions(y, predictions)
        case "temporal_kappa":
            if no_change is None:
                message = "temporal_kappa needs the predictions of the baseline 'persistence'."
                raise DataError(message)
            return np.column_stack([predictions.values == y, no_change == y]).astype(np.float64)
        case _:
            message = f"Unknown metric {metric!r}. {nearest(metric, METRICS)}"
            raise DataError(message)


def combined(metric: str, means: FloatArray) -> FloatArray:
    """Return the metric's values from the means of its terms.

    Args:
        metric: One of METRICS.
        means: Shape (..., k), as ``terms`` orders them.

    Returns:
        Shape (...); NaN where the metric is not defined, such as r2 of a constant.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        match metric:
            case "accuracy":
                return 1.0 - means[..., 0]
            case "r2":
                spread = means[..., 2] - means[..., 1] ** 2
                return np.where(spread > 0, 1.0 - means[..., 0] / spread, np.nan)
            case "roc_auc":
                return np.clip(means[..., 0], 0.0, 1.0)
            case "f1":
                # 2 TP / (2 TP + FP + FN) a class; a class neither true nor predicted is left out.
                hits, either = means[..., 0::2], means[..., 1::2]
                share = np.where(either > 0, 2 * hits / either, 0.0)
                return share.sum(axis=-1) / np.maximum((either > 0).sum(axis=-1), 1)
            case "temporal_kappa":
                # Žliobaitė, Bifet, Read, Pfahringer & Holmes (2015), Machine Learning 98.
                right, unchanged = means[..., 0], means[..., 1]
                return np.where(unchanged < 1, (right - unchanged) / (1 - unchanged), np.nan)
            case _:
                mean = means[..., 0]
                return mean if metric == "bias" else loss_value(metric, mean)


def metric_value(
    metric: str, y: np.ndarray, predictions: Predictions, *, no_change: np.ndarray | None = None
) -> float:
    """Return the metric over all rows.

    Example:
        >>> metric_value("rmse", np.array([0.0, 0.0]), Predictions(np.array([3.0, 5.0])))
        4.123105625617661
    """
    return float(combined(metric, terms(metric, y, predictions, no_change=no_change).mean(axis=0)))


def _residual(y: np.ndarray, predictions: Predictions) -> FloatArray:
    return np.asarray(predictions.values, np.float64) - np.asarray(y, np.float64)


def _probabilities(metric: str, predictions: Predictions) -> FloatArray:
    if predictions.probabilities is None:
        message = f"{metric} needs probabilities, and these predictions have none."
        raise DataError(message)
    return predictions.probabilities


def _codes(y: np.ndarray, predictions: Predictions) -> npt.NDArray[np.intp]:
    """Position of each true label among the classes."""
    codes = pd.Index(list(predictions.classes)).get_indexer(pd.Index(np.asarray(y).tolist()))
    if (codes < 0).any():
        unknown = sorted({str(label) for label in np.asarray(y)[codes < 0]})
        message = (
            f"Labels {unknown} are not among the classes {list(predictions.classes)}. "
            f"Widen the predictions with among() first."
        )
        raise DataError(message)
    return codes


def _is_positive(y: np.ndarray, predictions: Predictions) -> FloatArray:
    return (_codes(y, predictions) == len(predictions.classes) - 1).astype(np.float64)


def _confusions(y: np.ndarray, predictions: Predictions) -> FloatArray:
    """Columns (hit, true + predicted) of the positive class, or of each of more than two."""
    classes = predictions.classes[-1:] if len(predictions.classes) == 2 else predictions.classes
    columns = []
    for label in classes:
        true, predicted = y == label, predictions.values == label
        columns += [true & predicted, true.astype(np.int8) + predicted]
    return np.column_stack(columns).astype(np.float64)


def _placements(y: np.ndarray, predictions: Predictions) -> FloatArray:
    """One number a row with mean AUC: the AUC plus the row's influence on it."""
    _probabilities("roc_auc", predictions)
    score, positive = predictions.positive, _is_positive(y, predictions) > 0
    share = positive.mean()
    if share in (0.0, 1.0):
        return np.full(len(y), np.nan)
    n_positive, n_negative = positive.sum(), (~positive).sum()
    rank, own = _ranks(score), np.empty(len(y))
    own[positive] = (rank[positive] - _ranks(score[positive])) / n_negative
    own[~positive] = 1.0 - (rank[~positive] - _ranks(score[~positive])) / n_positive
    auc = own[positive].mean()
    return auc + (own - auc) * np.where(positive, share, 1 - share) ** -1.0


def _ranks(values: FloatArray) -> FloatArray:
    return np.asarray(pd.Series(values).rank(method="average"), dtype=np.float64)
