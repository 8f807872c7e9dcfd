"""A model's answers to the rows it was judged on, given unseen, and what is learned from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.estimation.loss_estimator import (
    AnsweredRows,
    LossEstimator,
    fit_loss_estimator,
)
from ml_assets.core.evaluation import CONFIDENCE, PREDICTION, Evaluation
from ml_assets.core.logged_loss import logged_metric, row_losses
from ml_assets.core.monitoring_reference import judged_rows
from ml_assets.core.problem import Problem
from ml_assets.core.training_set import TrainingSet

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class JudgedAnswers:
    """Answers of one model to the test rows of an evaluation, in order of time.

    Attributes:
        rows: Features, answers and, of classes, their probability.
        losses: By ``logged_metric``, shape (n,).
        times: Event times in UTC, shape (n,).
        numeric: Features that are numbers.
        categorical: Features that are texts.
        problem: What was judged.
    """

    rows: AnsweredRows
    losses: FloatArray
    times: npt.NDArray[np.datetime64]
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    problem: Problem

    @classmethod
    def of(
        cls, problem: Problem, evaluation: Evaluation, training_set: TrainingSet, model: str
    ) -> Self:
        """Take a model's answers out of an evaluation.

        Raises:
            DataError: If the evaluation was made of another training set.
        """
        judged = judged_rows(evaluation, training_set)
        answers = evaluation.rows[PREDICTION + model].reset_index(drop=True)
        at = np.flatnonzero(answers.notna().to_numpy())
        truth = pd.Series(judged[training_set.target].to_numpy()[at], dtype=object)
        given = evaluation.rows.get(CONFIDENCE + model)
        answered = answers.iloc[at].reset_index(drop=True)
        kind = float if problem.task == "regression" else str
        return cls(
            AnsweredRows(
                judged[list(training_set.features)].iloc[at].reset_index(drop=True),
                answered.astype(kind).to_numpy(),
                None if given is None else given.to_numpy(dtype=np.float64)[at],
            ),
            row_losses(problem, truth, answered),
            evaluation.rows["event_time"].to_numpy("datetime64[us]")[at],
            training_set.numeric,
            training_set.categorical,
            problem,
        )

    @cached_property
    def loss_estimator(self) -> LossEstimator | None:
        """An estimator of losses, learned when first asked for; None if rows are too few."""
        return fit_loss_estimator(
            self.rows,
            self.losses,
            metric=logged_metric(self.problem),
            numeric=self.numeric,
            categorical=self.categorical,
            seed=self.problem.seed,
        )
