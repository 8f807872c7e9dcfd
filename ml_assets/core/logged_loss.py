"""The loss of answered rows, by a metric that the log can be judged by."""

import pandas as pd

from ml_assets.core.metrics import FloatArray, Predictions, row_loss
from ml_assets.core.problem import Problem

# Metrics that need no probabilities, which the log holds only for some models.
PLAIN = {"regression": "mae", "binary": "accuracy", "multiclass": "accuracy"}


def logged_metric(problem: Problem) -> str:
    """Return the metric that the log can be judged by: the primary one, or one without chances."""
    return problem.primary_metric if problem.task == "regression" else PLAIN[problem.task]


def row_losses(problem: Problem, truth: pd.Series, predicted: pd.Series) -> FloatArray:
    """Return the loss of each answered row by ``logged_metric``, shape (n,)."""
    kind = float if problem.task == "regression" else str
    answers = Predictions(predicted.astype(kind).to_numpy())
    return row_loss(logged_metric(problem), truth.astype(kind).to_numpy(), answers)
