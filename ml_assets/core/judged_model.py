"""One model of an evaluation with all that is said of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from ml_assets.core.bootstrap import Blocks
from ml_assets.core.diagnostics import (
    CalibrationPoint,
    DailyResidual,
    Importance,
    calibration,
    daily_residuals,
    importance,
)
from ml_assets.core.metrics import FloatArray, loss_value, row_loss
from ml_assets.core.problem import Problem
from ml_assets.core.scores import Score, SliceScore, loss_estimates, metric_estimates
from ml_assets.core.slices import RowSlice, worst_slice
from ml_assets.core.walk_forward import Answers, Walk


@dataclass(frozen=True, kw_only=True)
class FoldLoss:
    """The primary metric's loss of one model on one fold; lower is better."""

    model: str
    start: datetime
    value: float


@dataclass(frozen=True, eq=False)
class JudgedModel:
    """A model's answers and what follows from them; everything is in order of time.

    Attributes:
        problem: Declares the metrics and the confidence.
        walk: The rows, their truth and the answers of all models.
        answers: Of this model.
        parts: Declared slices of the walk's rows.
        seed: Of the resamples.
    """

    problem: Problem
    walk: Walk
    answers: Answers
    parts: tuple[RowSlice, ...]
    seed: int

    @cached_property
    def y(self) -> np.ndarray:
        """Truth of the rows that the model answered."""
        return self.walk.y[self.answers.at]

    @cached_property
    def loss(self) -> FloatArray:
        """The primary metric's loss of each row that the model answered."""
        return row_loss(self.problem.primary_metric, self.y, self.answers.predictions)

    @property
    def chance(self) -> FloatArray:
        """Probability of the true class of each row that the model answered."""
        return np.exp(-row_loss("log_loss", self.y, self.answers.predictions))

    def scores(self, metrics: tuple[str, ...]) -> tuple[Score, ...]:
        """Return each metric with its interval."""
        no_change = self.walk.values_of("persistence")
        estimates = metric_estimates(
            metrics,
            self.y,
            self.answers.predictions,
            blocks=self._blocks,
            confidence=self._confidence,
            no_change=None if no_change is None else no_change[self.answers.at],
        )
        return tuple(
            Score(
                model=self.answers.name,
                kind=self.answers.kind,
                metric=metric,
                value=estimate.value,
                low=estimate.low,
                high=estimate.high,
                rows=len(self.y),
            )
            for metric, estimate in estimates.items()
        )

    def found_slice(self) -> RowSlice | None:
        """Return where the model does worst, among the rows of the walk, if there is such a place.

        It is found on the earlier half of the rows and holds rows of the later one.
        """
        rows = self.walk.rows
        worst = worst_slice(
            rows.frame.iloc[self.answers.at],
            numeric=rows.numeric,
            categorical=rows.categorical,
            loss=self.loss,
        )
        if worst is None:
            return None
        mask = np.zeros(len(self.walk.y), dtype=bool)
        mask[self.answers.at] = worst.mask
        return replace(worst, mask=mask)

    def on_slices(self, parts: Iterable[RowSlice]) -> tuple[SliceScore, ...]:
        """Return the loss on slices of the walk's rows; those without a row are left out."""
        at = self.answers.at
        return self._slices([replace(part, mask=part.mask[at]) for part in parts])

    def calibration(self) -> tuple[CalibrationPoint, ...]:
        """Return predictions against truth, bin by bin."""
        return calibration(
            self.answers.name,
            self.y,
            self.answers.predictions,
            blocks=self._blocks,
            confidence=self._confidence,
        )

    def residuals(self) -> tuple[DailyResidual, ...]:
        """Return the residuals day by day."""
        times = self.walk.times[self.answers.at]
        return daily_residuals(self.answers.name, self.y, self.answers.predictions, times=times)

    def importance(self) -> tuple[Importance, ...]:
        """Return how much a candidate needs each feature, on the last fold."""
        if self.answers.kind != "candidate":
            return ()
        last = np.flatnonzero(self.walk.fold_of_row == len(self.walk.folds) - 1)
        return importance(
            self.answers.name,
            self.walk.last_models[self.answers.name],
            self.walk.rows.rows(last),
            metric=self.problem.primary_metric,
            task=self.problem.task,
            classes=self.walk.classes,
            confidence=self._confidence,
            seed=self.seed,
        )

    def fold_losses(self) -> tuple[FoldLoss, ...]:
        """Return the loss fold by fold; folds without an answer are left out."""
        fold_of_row = self.walk.fold_of_row[self.answers.at]
        losses = [(number, self.loss[fold_of_row == number]) for number in np.unique(fold_of_row)]
        return tuple(
            FoldLoss(
                model=self.answers.name,
                start=self.walk.folds[number].window.start,
                value=float(loss_value(self.problem.primary_metric, loss.mean())),
            )
            for number, loss in losses
        )

    def column(self, values: np.ndarray, missing: Any) -> np.ndarray:  # noqa: ANN401
        """Return ``values`` spread over all rows of the walk, ``missing`` where not answered."""
        if len(self.answers.at) == len(self.walk.y):
            return values
        dtype = np.float64 if values.dtype.kind == "f" else object
        spread = np.full(len(self.walk.y), missing, dtype=dtype)
        spread[self.answers.at] = values
        return spread

    @cached_property
    def _blocks(self) -> Blocks:
        times = self.walk.times[self.answers.at]
        return Blocks.draw(times, seed=self.seed, series=self.loss)

    @property
    def _confidence(self) -> float:
        return self.problem.gates.confidence

    def _slices(self, parts: list[RowSlice]) -> tuple[SliceScore, ...]:
        metric = self.problem.primary_metric
        estimates = loss_estimates(
            metric, self.loss, parts, blocks=self._blocks, confidence=self._confidence
        )
        return tuple(
            SliceScore(
                slice=part.name,
                model=self.answers.name,
                metric=metric,
                value=estimate.value,
                low=estimate.low,
                high=estimate.high,
                rows=int(part.mask.sum()),
                found=part.found,
            )
            for part, estimate in zip(parts, estimates, strict=True)
            if part.mask.any()
        )


def found_slices(judged: Sequence[JudgedModel]) -> tuple[SliceScore, ...]:
    """Return the loss of each model where it does worst, and of the champion on the same rows."""
    champion = [model for model in judged if model.answers.kind == "champion"]
    scores = []
    for model in judged:
        worst = model.found_slice() if model not in champion else None
        if worst is not None:
            scores += [score for one in (model, *champion) for score in one.on_slices([worst])]
    # Two models may do worst in the same place.
    return tuple({(score.slice, score.model): score for score in scores}.values())
