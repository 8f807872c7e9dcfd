"""The evaluation: every model judged on the same rows, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import Blocks
from ml_assets.core.diagnostics import (
    CalibrationPoint,
    DailyResidual,
    Importance,
    calibration,
    daily_residuals,
    importance,
)
from ml_assets.core.errors import DeclarationError
from ml_assets.core.metrics import loss_value, row_loss
from ml_assets.core.problem import Problem
from ml_assets.core.scores import Score, SliceScore, loss_estimates, metric_estimates
from ml_assets.core.slices import RowSlice, declared_slices, worst_slice
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.walk_forward import Answers, Champion, ModelKind, Walk, walk_forward

PREDICTION, LOSS, SLICE = "prediction__", "loss__", "slice__"


@dataclass(frozen=True, kw_only=True)
class FoldSpan:
    """A fold: its test window and how many rows it trained and was judged on."""

    start: datetime
    end: datetime
    train_rows: int
    test_rows: int


@dataclass(frozen=True, kw_only=True)
class FoldLoss:
    """The primary metric's loss of one model on one fold; lower is better."""

    model: str
    start: datetime
    value: float


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
        slices: The primary metric's loss by slice, declared ones first.
        calibration: Of every model.
        residuals: Of every model, by day.
        importance: Of every candidate, on the last fold.
        fold_losses: Of every model.
        warnings: What could not be computed, and why.
        rows: One row a test row, in order of time: event_time, fold, truth, and for each model
            ``prediction__<model>`` and ``loss__<model>`` (NaN where it gave no answer), for each
            declared slice ``slice__<slice>``.
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

    def score(self, model: str, metric: str) -> Score | None:
        """Return one score, None if the metric could not be computed."""
        found = (one for one in self.scores if (one.model, one.metric) == (model, metric))
        return next(found, None)

    def to_json(self) -> dict[str, Any]:
        """Return all but ``rows`` as plain values: ISO times, None where a number is undefined."""
        fields = {name: value for name, value in vars(self).items() if name != "rows"}
        return {name: _plain(value) for name, value in fields.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], rows: pd.DataFrame) -> Self:
        """Build the evaluation that ``to_json`` described, with its rows."""
        kinds = {
            "folds": FoldSpan,
            "scores": Score,
            "slices": SliceScore,
            "calibration": CalibrationPoint,
            "residuals": DailyResidual,
            "importance": Importance,
            "fold_losses": FoldLoss,
        }
        parts = {
            name: tuple(kind(**_restored(kind, one)) for one in values[name])
            for name, kind in kinds.items()
        }
        return cls(
            primary_metric=values["primary_metric"],
            confidence=values["confidence"],
            cutoff=datetime.fromisoformat(values["cutoff"]),
            kinds=dict(values["kinds"]),
            warnings=tuple(values["warnings"]),
            rows=rows,
            **parts,
        )


def evaluate(
    problem: Problem,
    training_set: TrainingSet,
    configurations: Sequence[Configuration],
    *,
    champion: Champion | None,
    seed: int,
) -> Evaluation:
    """Walk forward through time with every configuration and judge all models.

    Args:
        problem: Declares folds, metrics, slices and the confidence.
        training_set: All rows known at the cutoff.
        configurations: Candidates and baselines; each is trained anew for every fold.
        champion: Judged as it is, on rows after its own cutoff.
        seed: Of the models and the resamples.

    Raises:
        DataError: If the rows do not suffice for one fold.
        DeclarationError: If two models share a name.
    """
    names = [one.name for one in configurations] + ([champion.name] if champion else [])
    if len(set(names)) < len(names):
        message = f"Each model in an evaluation needs a name of its own; found {sorted(names)}."
        raise DeclarationError(message)
    walk = walk_forward(problem, training_set, configurations, champion=champion, seed=seed)
    metrics, warnings = _computable_metrics(problem, names)
    parts = declared_slices(walk.rows.frame, problem.slices)
    judged = [_Judged(problem, walk, one, parts, metrics, seed) for one in walk.answers]
    answered = [one for one in judged if one.rows]
    return Evaluation(
        primary_metric=problem.primary_metric,
        confidence=problem.gates.confidence,
        cutoff=training_set.cutoff,
        kinds={one.name: one.kind for one in walk.answers},
        folds=tuple(
            FoldSpan(
                start=fold.window.start,
                end=fold.window.end,
                train_rows=len(fold.train),
                test_rows=len(fold.test),
            )
            for fold in walk.folds
        ),
        scores=tuple(score for one in answered for score in one.scores()),
        slices=tuple(score for one in answered for score in one.declared())
        + tuple(score for one in answered for score in one.found()),
        calibration=tuple(point for one in answered for point in one.calibration()),
        residuals=tuple(day for one in answered for day in one.residuals()),
        importance=tuple(one for model in answered for one in model.importance()),
        fold_losses=tuple(loss for one in answered for loss in one.fold_losses()),
        warnings=warnings,
        rows=_table(walk, judged, parts),
    )


def _computable_metrics(
    problem: Problem, names: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if "temporal_kappa" not in problem.metrics or "persistence" in names:
        return problem.metrics, ()
    metrics = tuple(metric for metric in problem.metrics if metric != "temporal_kappa")
    warning = "temporal_kappa is left out: declare the baseline 'persistence' to compare with."
    return metrics, (warning,)
