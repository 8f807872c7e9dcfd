"""Where the errors are: calibration, residuals over time, importance of the features."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import Blocks
from ml_assets.core.metrics import FloatArray, Predictions, loss_value, row_loss
from ml_assets.core.problem import Task
from ml_assets.core.scores import ratio
from ml_assets.core.training import plain_labels, predict
from ml_assets.core.training_set import TrainingSet

BINS = 10
IMPORTANCE_ROWS = 2000
IMPORTANCE_REPEATS = 3


@dataclass(frozen=True, kw_only=True)
class CalibrationPoint:
    """Rows with similar predictions: what was predicted and what was true, both as means.

    For binary problems that is the positive class's probability against its frequency; for more
    classes the winning class's probability against the share of right answers.
    """

    model: str
    predicted: float
    observed: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class DailyResidual:
    """Prediction minus truth over one day of UTC; probability minus outcome for classes."""

    model: str
    day: datetime
    mean: float
    mean_absolute: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much the primary metric's loss grows when a feature's values are shuffled."""

    model: str
    feature: str
    mean: float
    low: float
    high: float


def calibration(
    model: str,
    y: np.ndarray,
    predictions: Predictions,
    *,
    blocks: Blocks,
    confidence: float,
) -> tuple[CalibrationPoint, ...]:
    """Return about ten points of as many rows each; ties in the predictions stay together."""
    predicted, observed = _pair(y, predictions)
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, BINS + 1)[1:-1]))
    bin_of_row = np.searchsorted(edges, predicted, side="right")
    bins = np.unique(bin_of_row)
    masks = (bin_of_row[:, None] == bins).astype(np.float64)
    means = blocks.means(np.hstack([observed[:, None] * masks, masks]))
    points = []
    for number in range(len(bins)):
        mask = masks[:, number] > 0
        drawn = ratio(means[:, number], means[:, len(bins) + number])
        low, high = blocks.interval(drawn, confidence=confidence)
        points.append(
            CalibrationPoint(
                model=model,
                predicted=float(predicted[mask].mean()),
                observed=float(observed[mask].mean()),
                low=low,
                high=high,
                rows=int(mask.sum()),
            )
        )
    return tuple(points)


def daily_residuals(
    model: str, y: np.ndarray, predictions: Predictions, *, times: np.ndarray
) -> tuple[DailyResidual, ...]:
    """Return the residuals day by day, in order; ``times`` are UTC."""
    predicted, observed = _pair(y, predictions)
    residual = pd.Series(predicted - observed)
    days = pd.Series(np.asarray(times, dtype="datetime64[D]").astype("datetime64[us]"))
    table = pd.DataFrame({"residual": residual, "size": residual.abs()}).groupby(days)
    return tuple(
        DailyResidual(
            model=model,
            day=pd.Timestamp(day).to_pydatetime().replace(tzinfo=UTC),
            mean=float(part["residual"].mean()),
            mean_absolute=float(part["size"].mean()),
            rows=len(part),
        )
        for day, part in table
    )


def importance(
    name: str,
    model: Any,  # noqa: ANN401
    rows: TrainingSet,
    *,
    metric: str,
    task: Task,
    classes: tuple[Any, ...],
    confidence: float,
    seed: int,
) -> tuple[Importance, ...]:
    """Return the permutation importance of each feature (Breiman 2001), largest first.

    Args:
        name: Of the model.
        model: Fitted without the rows.
        rows: Some of them are drawn, if there are many.
        metric: Whose loss is compared.
        task: Of the problem.
        classes: All classes of the problem.
        confidence: Of the intervals.
        seed: Of the draw and the shuffles.
    """
    generator = np.random.default_rng(seed)
    size = min(IMPORTANCE_ROWS, len(rows.frame))
    chosen = np.sort(generator.choice(len(rows.frame), size=size, replace=False))
    sample = rows.rows(chosen)
    inputs, y = sample.inputs, plain_labels(sample)
    times = sample.frame["event_time"].to_numpy(dtype="datetime64[us]")
    base = row_loss(metric, y, predict(model, inputs, task).among(classes))
    blocks = Blocks.draw(times, seed=seed, series=base)
    shuffled = np.stack([generator.permutation(size) for _ in range(IMPORTANCE_REPEATS)])
    repeated = pd.concat([inputs] * IMPORTANCE_REPEATS, ignore_index=True)
    found = []
    for feature in rows.features:
        column = inputs[feature].to_numpy()[shuffled.ravel()]
        answers = predict(model, repeated.assign(**{feature: column}), task).among(classes)
        loss = row_loss(metric, np.tile(y, IMPORTANCE_REPEATS), answers)
        worse = loss.reshape(IMPORTANCE_REPEATS, size).mean(axis=0)
        drawn = _drawn_growth(metric, worse, base, blocks)
        low, high = blocks.interval(drawn, confidence=confidence)
        mean = float(loss_value(metric, worse.mean()) - loss_value(metric, base.mean()))
        found.append(Importance(model=name, feature=feature, mean=mean, low=low, high=high))
    return tuple(sorted(found, key=lambda one: -one.mean))


def _drawn_growth(metric: str, worse: FloatArray, base: FloatArray, blocks: Blocks) -> FloatArray:
    losses = loss_value(metric, blocks.means(np.column_stack([worse, base])))
    return losses[:, 0] - losses[:, 1]


def _pair(y: np.ndarray, predictions: Predictions) -> tuple[FloatArray, FloatArray]:
    """Return what was predicted and what was observed, as numbers."""
    if predictions.probabilities is None:
        return np.asarray(predictions.values, np.float64), np.asarray(y, np.float64)
    if len(predictions.classes) == 2:
        return predictions.positive, (y == predictions.classes[-1]).astype(np.float64)
    winner = np.array(predictions.classes)[predictions.probabilities.argmax(axis=1)]
    return predictions.probabilities.max(axis=1), (y == winner).astype(np.float64)
