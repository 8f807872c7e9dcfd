"""From a configuration and a training set to a model, the same one every time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from sklearn.base import is_classifier
from sklearn.utils.validation import has_fit_parameter

from ml_assets.core.candidates import instantiate
from ml_assets.core.errors import DataError, DeclarationError
from ml_assets.core.feature_query import BASELINE_PREFIX
from ml_assets.core.metrics import Predictions
from ml_assets.core.one_thread import one_thread
from ml_assets.core.preparation import MODEL_STEP, TargetTransform, prepared
from ml_assets.core.problem import Baseline, Candidate, Task
from ml_assets.core.training_set import TrainingSet

_BASELINES = "ml_assets.core.baselines"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All that, with the data and the seed, makes a model.

    Attributes:
        name: Of the candidate or baseline.
        kind: Which of the two it is.
        estimator: Import path of the class.
        params: Its parameters, as JSON holds them.
        target_transform: What is done to the label before it is learned.
        window: Age up to which rows are learned from; None for all.
        half_life: Age at which a row weighs half; None for equal weights.
    """

    name: str
    kind: Literal["candidate", "baseline"]
    estimator: str
    params: Mapping[str, Any] = field(default_factory=dict)
    target_transform: TargetTransform = "none"
    window: timedelta | None = None
    half_life: timedelta | None = None

    def __post_init__(self) -> None:
        try:
            plain = json.loads(json.dumps(dict(self.params)))
        except TypeError as error:
            message = f"Parameters of {self.name!r} must be plain JSON values: {error}."
            raise DeclarationError(message) from error
        object.__setattr__(self, "params", plain)

    @classmethod
    def of_candidate(cls, candidate: Candidate, params: Mapping[str, Any] | None = None) -> Self:
        """Return a candidate's configuration, with ``params`` over the declared ones."""
        return cls(
            name=candidate.name,
            kind="candidate",
            estimator=candidate.estimator,
            params={**candidate.params, **(params or {})},
            target_transform=candidate.target_transform,
            window=candidate.window,
            half_life=candidate.half_life,
        )

    @classmethod
    def of_baseline(cls, baseline: Baseline, task: Task) -> Self:
        """Return a baseline's configuration."""
        ending = "Regressor" if task == "regression" else "Classifier"
        rule = "Typical" if baseline.kind == "typical" else "PastLabel"
        reads = {} if rule == "Typical" else {"column": BASELINE_PREFIX + baseline.name}
        estimator = f"{_BASELINES}.{rule}{ending}"
        return cls(name=baseline.name, kind="baseline", estimator=estimator, params=reads)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; durations in seconds."""
        return {
            "name": self.name,
            "kind": self.kind,
            "estimator": self.estimator,
            "params": dict(self.params),
            "target_transform": self.target_transform,
            "window": _seconds(self.window),
            "half_life": _seconds(self.half_life),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the configuration that ``to_json`` described."""
        lengths: dict[str, Any] = {
            name: _duration(values[name]) for name in ("window", "half_life")
        }
        return cls(**{**values, **lengths})


def fit(configuration: Configuration, training_set: TrainingSet, *, seed: int) -> Any:  # noqa: ANN401
    """Return the fitted model: a Pipeline for a candidate, the estimator itself for a baseline.

    One thread does the work: sums in parallel depend on how many threads there are, and the same
    model has to come out on any machine.

    Raises:
        DataError: If the rows cannot be learned from.
        DeclarationError: If the configuration asks what the estimator cannot do.
    """
    rows = _within(training_set, configuration)
    estimator = instantiate(configuration.estimator, configuration.params, seed=seed)
    y = _learnable_labels(estimator, rows, configuration)
    if configuration.kind == "baseline":
        return estimator.fit(rows.inputs, y)
    _refuse_infinite(rows, configuration)
    weights = _weights(estimator, rows, configuration)
    # A number never seen teaches nothing, and histogram-based boosting cannot even bin it.
    seen = tuple(name for name in rows.numeric if rows.frame[name].notna().any())
    model = prepared(
        estimator,
        numeric=seen,
        categorical=rows.categorical,
        target_transform=configuration.target_transform,
    )
    with one_thread():
        return model.fit(rows.frame[list(rows.features)], y, **weights)


def predict(model: Any, inputs: pd.DataFrame, task: Task) -> Predictions:  # noqa: ANN401
    """Return the model's answers for the rows of ``inputs``.

    Args:
        model: What ``fit`` returned.
        inputs: As ``TrainingSet.inputs``.
        task: Of the problem. A classifier that has no probabilities gets those of its decision
            function through a sigmoid or softmax; they are not calibrated.
    """
    # On a busy machine a second thread waits for its turn at every tree of every call.
    with one_thread():
        return _answers(model, inputs, task)


def _answers(model: Any, inputs: pd.DataFrame, task: Task) -> Predictions:  # noqa: ANN401
    if task == "regression":
        return Predictions(np.asarray(model.predict(inputs), dtype=np.float64))
    classes = tuple(model.classes_.tolist())
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(inputs), dtype=np.float64)
    else:
        scores = np.asarray(model.decision_function(inputs), dtype=np.float64)
        positive = expit(scores)
        probabilities = (
            softmax(scores, axis=1)
            if scores.ndim == 2
            else np.column_stack([1.0 - positive, positive])
        )
    return Predictions(np.asarray(model.predict(inputs)), probabilities, classes)


def as_known_at(training_set: TrainingSet, positions: np.ndarray, cutoff: datetime) -> TrainingSet:
    """Return some rows of the set as the training set of an earlier cutoff."""
    return replace(training_set.rows(positions), cutoff=cutoff)


def plain_labels(training_set: TrainingSet) -> np.ndarray:
    """Return the labels with a dtype of their own kind: float, integer, bool or text."""
    return np.array(training_set.labels.tolist())


def _within(training_set: TrainingSet, configuration: Configuration) -> TrainingSet:
    rows = training_set
    if configuration.window is not None:
        recent = training_set.frame["event_time"] >= training_set.cutoff - configuration.window
        rows = training_set.rows(np.flatnonzero(recent.to_numpy()))
    if rows.frame.empty:
        message = (
            f"{configuration.name!r} has no row to learn from at {training_set.cutoff}: its window "
            f"is {configuration.window} and {len(training_set.frame)} rows were known. Lengthen "
            f"the window beyond the label delay, or materialise more partitions."
        )
        raise DataError(message)
    return rows


def _learnable_labels(
    estimator: Any,  # noqa: ANN401
    rows: TrainingSet,
    configuration: Configuration,
) -> np.ndarray:
    y = plain_labels(rows)
    if configuration.target_transform == "log1p" and y.min() <= -1:
        message = (
            f"{configuration.name!r} learns log(1 + label), but {rows.target!r} goes down to "
            f"{y.min()}. Set target_transform to none."
        )
        raise DataError(message)
    learns_classes = configuration.kind == "candidate" and is_classifier(estimator)
    if learns_classes and len(np.unique(y)) == 1:
        message = (
            f"{configuration.name!r} has nothing to learn at {rows.cutoff}: all {len(y)} labels "
            f"are {y[0]!r}. Train on a longer history, or evaluate with fewer folds."
        )
        raise DataError(message)
    return y


def _refuse_infinite(rows: TrainingSet, configuration: Configuration) -> None:
    infinite = [name for name in rows.numeric if np.isinf(rows.frame[name].to_numpy()).any()]
    if infinite:
        message = (
            f"{configuration.name!r} cannot learn from infinite numbers, found in {infinite}. "
            f"Guard the division or logarithm in features.sql, for instance with NULLIF."
        )
        raise DataError(message)


def _weights(estimator: Any, rows: TrainingSet, configuration: Configuration) -> dict[str, Any]:  # noqa: ANN401
    if configuration.half_life is None:
        return {}
    if not has_fit_parameter(estimator, "sample_weight"):
        message = (
            f"{configuration.name!r} declares a half_life, but {configuration.estimator} cannot "
            f"weigh rows. Declare a window instead, or another estimator."
        )
        raise DeclarationError(message)
    # Counted from the newest row: only ratios matter, and none vanishes after a long pause.
    age = rows.frame["event_time"].max() - rows.frame["event_time"]
    weights = 0.5 ** (age / configuration.half_life).to_numpy(dtype=np.float64)
    # A mean of 1 keeps the meaning of parameters that weigh the loss against a penalty.
    return {f"{MODEL_STEP}__sample_weight": weights / weights.mean()}


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
