"""The evaluation: every model judged on the same rows, with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from ml_assets.core.diagnostics import CalibrationPoint, DailyResidual, Importance
from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.evaluation_warnings import new_classes, too_good
from ml_assets.core.judged_model import FoldLoss, JudgedModel, found_slices
from ml_assets.core.one_thread import one_thread
from ml_assets.core.problem import METRICS, Problem
from ml_assets.core.scores import Score, SliceScore
from ml_assets.core.slices import RowSlice, declared_slices
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.walk_forward import Champion, ModelKind, Walk, walk_forward

PREDICTION, LOSS, SLICE = "prediction__", "loss__", "slice__"
CONFIDENCE, CHANCE = "confidence__", "chance__"

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class FoldSpan:
    """A fold: its test window and how many rows it trained and was judged on."""

    start: datetime
    end: datetime
    train_rows: int
    test_rows: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What is known of the models.

    Attributes:
        primary_metric: The metric that decides.
        confidence: Of all intervals.
        cutoff: Nothing known after it was used.
        kinds: Name of each model -> what it is.
        folds: In order of time.
        scores: Every metric of every model.
        slices: The primary metric's loss by slice, declared ones first; then where each model but
            the champion does worst, with the champion's loss in that place.
        calibration: Of every model.
        residuals: Of every model, by day.
        importance: Of every candidate, on the last fold.
        fold_losses: Of every model.
        warnings: What could not be computed, what is too good to be true, what nobody could know.
        change: When the world changed, where all folds lie after that; None where they need not.
        rows: One row a test row, in order of time: event_time, fold, truth, and for each model
            ``prediction__<model>`` and ``loss__<model>`` (NaN where it gave no answer), for
            classifiers ``confidence__<model>`` and ``chance__<model>`` (probability of the answered
            and of the true class), for each declared slice ``slice__<slice>``.
    """

    primary_metric: str
    confidence: float
    cutoff: datetime
    kinds: Mapping[str, ModelKind]
    folds: tuple[FoldSpan, ...]
    scores: tuple[Score, ...]
    slices: tuple[SliceScore, ...]
    calibration: tuple[CalibrationPoint, ...]
    residuals: tuple[DailyResidual, ...]
    importance: tuple[Importance, ...]
    fold_losses: tuple[FoldLoss, ...]
    warnings: tuple[str, ...]
    rows: pd.DataFrame
    change: datetime | None = None

    def score(self, model: str, metric: str) -> Score | None:
        """Return one score, None if the metric could not be computed."""
        found = (one for one in self.scores if (one.model, one.metric) == (model, metric))
        return next(found, None)

    def to_json(self) -> dict[str, Any]:
        """Return all but ``rows`` as plain values: ISO times, None where a number is undefined."""
        return {name: _plain(value) for name, value in vars(self).items() if name != "rows"}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], rows: pd.DataFrame) -> Self:
        """Build the evaluation that ``to_json`` described, with its rows."""
        types = {
            "folds": FoldSpan,
            "scores": Score,
            "slices": SliceScore,
            "calibration": CalibrationPoint,
            "residuals": DailyResidual,
            "importance": Importance,
            "fold_losses": FoldLoss,
        }
        parts: dict[str, Any] = {
            name: tuple(kind(**_restored(kind, one)) for one in values[name])
            for name, kind in types.items()
        }
        return cls(
            primary_metric=values["primary_metric"],
            confidence=values["confidence"],
            cutoff=datetime.fromisoformat(values["cutoff"]),
            kinds=dict(values["kinds"]),
            warnings=tuple(values["warnings"]),
            rows=rows,
            change=datetime.fromisoformat(values["change"]) if values["change"] else None,
            **parts,
        )


def evaluate(
    problem: Problem,
    training_set: TrainingSet,
    configurations: Sequence[Configuration],
    *,
    champion: Champion | None,
    seed: int,
    change: datetime | None = None,
) -> Evaluation:
    """Walk forward through time with every configuration and judge all models.

    Args:
        problem: Declares folds, metrics, slices and the confidence.
        training_set: All rows known at the cutoff.
        configurations: Candidates and baselines; each is trained anew for every fold.
        champion: Judged as it is, on rows after its own cutoff.
        seed: Of the models and the resamples.
        change: When the world changed; models are then judged on rows from after it alone.

    Raises:
        DataError: If the rows do not suffice for one fold.
        DeclarationError: If two models share a name.
    """
    names = [one.name for one in configurations] + ([champion.name] if champion else [])
    if len(set(names)) < len(names):
        message = f"Each model in an evaluation needs a name of its own; found {sorted(names)}."
        raise DeclarationError(message)
    metrics, warnings = _computable_metrics(problem, names)
    if change is not None:
        since = f"All models are judged on rows from after the change at {change:%Y-%m-%d %H:%M}."
        warnings = (*warnings, since)
    # Small predictions by many threads on a busy machine wait on each other for seconds.
    with one_thread():
        walk = walk_forward(
            problem, training_set, configurations, champion=champion, seed=seed, change=change
        )
        warnings = (*warnings, *new_classes(walk, training_set))
        return _judged(problem, walk, metrics, warnings, seed)


def _judged(
    problem: Problem, walk: Walk, metrics: tuple[str, ...], warnings: tuple[str, ...], seed: int
) -> Evaluation:
    parts = declared_slices(walk.rows.frame, problem.slices)
    models = [JudgedModel(problem, walk, one, parts, seed) for one in walk.answers]
    judged = [model for model in models if len(model.y)]
    importance = _all(model.importance() for model in judged)
    return Evaluation(
        primary_metric=problem.primary_metric,
        confidence=problem.gates.confidence,
        cutoff=walk.rows.cutoff,
        kinds={one.name: one.kind for one in walk.answers},
        folds=_spans(walk),
        scores=_all(model.scores(metrics) for model in judged),
        slices=_all(model.on_slices(parts) for model in judged) + found_slices(judged),
        calibration=_all(model.calibration() for model in judged),
        residuals=_all(model.residuals() for model in judged),
        importance=importance,
        fold_losses=_all(model.fold_losses() for model in judged),
        warnings=(*warnings, *too_good(judged, importance)),
        rows=_table(walk, models, parts),
        change=walk.change,
    )


def compare(problem: Problem, walk: Walk, *, seed: int) -> Evaluation:
    """Return what the gates need of a walk, and no more: losses row by row, and bounded metrics."""
    parts = declared_slices(walk.rows.frame, problem.slices)
    models = [JudgedModel(problem, walk, one, parts, seed) for one in walk.answers]
    bounded = tuple(dict.fromkeys([*problem.gates.at_most, *problem.gates.at_least]))
    judged = [model for model in models if len(model.y)]
    return Evaluation(
        primary_metric=problem.primary_metric,
        confidence=problem.gates.confidence,
        cutoff=walk.rows.cutoff,
        kinds={one.name: one.kind for one in walk.answers},
        folds=_spans(walk),
        scores=_all(model.scores(bounded) for model in judged) if bounded else (),
        slices=(),
        calibration=(),
        residuals=(),
        importance=(),
        fold_losses=(),
        warnings=(),
        rows=_table(walk, models, parts),
        change=walk.change,
    )


def gain_over(evaluation: Evaluation, model: str, champion: str) -> float | None:
    """Return the share of a champion's loss that a model takes away, on the rows both answered.

    Returns:
        None if there is no such row, or no loss.
    """
    losses = evaluation.rows[[LOSS + model, LOSS + champion]].dropna().mean()
    theirs = float(losses[LOSS + champion])
    return 1 - float(losses[LOSS + model]) / theirs if theirs > 0 else None


def _computable_metrics(
    problem: Problem, names: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the metrics that are declared or bounded, and what is said of those left out."""
    asked = tuple(
        dict.fromkeys([*problem.metrics, *problem.gates.at_most, *problem.gates.at_least])
    )
    fitting = [metric for metric, tasks in METRICS.items() if problem.task in tasks]
    for metric in asked:
        if metric not in fitting:
            message = (
                f"Gate metric {metric!r} is not for {problem.task}. {nearest(metric, fitting)}"
            )
            raise DeclarationError(message)
    if "temporal_kappa" not in asked or "persistence" in names:
        return asked, ()
    warning = "temporal_kappa is left out: declare the baseline 'persistence' to compare with."
    return tuple(metric for metric in asked if metric != "temporal_kappa"), (warning,)


def _spans(walk: Walk) -> tuple[FoldSpan, ...]:
    return tuple(
        FoldSpan(
            start=fold.window.start,
            end=fold.window.end,
            train_rows=len(fold.train),
            test_rows=len(fold.test),
        )
        for fold in walk.folds
    )


def _table(walk: Walk, models: list[JudgedModel], parts: tuple[RowSlice, ...]) -> pd.DataFrame:
    columns = {
        "event_time": walk.rows.frame["event_time"],
        "fold": walk.fold_of_row,
        "truth": walk.rows.labels,
    }
    for model in models:
        name, answers = model.answers.name, model.answers.predictions
        undefined = np.nan if answers.probabilities is None else None
        columns[PREDICTION + name] = model.column(answers.values, undefined)
        columns[LOSS + name] = model.column(model.loss, np.nan)
        if answers.probabilities is not None:
            columns[CONFIDENCE + name] = model.column(answers.confidence, np.nan)
            columns[CHANCE + name] = model.column(model.chance, np.nan)
    columns |= {SLICE + part.name: part.mask for part in parts}
    return pd.DataFrame(columns)


def _all(groups: Iterable[tuple[T, ...]]) -> tuple[T, ...]:
    return tuple(chain.from_iterable(groups))


def _plain(value: Any) -> Any:  # noqa: ANN401
    match value:
        case datetime():
            return value.isoformat()
        case float():
            return value if isfinite(value) else None
        case tuple():
            return [_plain(one) for one in value]
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case _ if is_dataclass(value):
            return {name: _plain(one) for name, one in vars(value).items()}
        case _:
            return value


def _restored(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ISO texts and None back into times and NaN, as the fields of ``kind`` say."""
    types = {field.name: field.type for field in fields(kind)}
    made = dict(values)
    for name, value in values.items():
        if types[name] is datetime:
            made[name] = datetime.fromisoformat(value)
        elif types[name] is float and value is None:
            made[name] = float("nan")
    return made
