"""Realised performance: the loss of what was answered, once its truth is known."""

import pandas as pd

from ml_assets.core.metrics import FloatArray, Predictions, loss_value, row_loss
from ml_assets.core.problem import Problem
from ml_assets.core.window import Every, floor

# Metrics that need no probabilities, which the log holds only for some models.
PLAIN = {"regression": "mae", "binary": "accuracy", "multiclass": "accuracy"}


def realised_performance(problem: Problem, rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a storage date and version, by when the prediction was made.

    Args:
        problem: Declares the metric.
        rows: Answered rows, as ``answered_rows`` returns them.

    Returns:
        ``_date``, ``version``, ``metric``, ``loss`` (the metric as a loss; lower is better),
        ``labelled``, ``answered`` and ``bias`` (mean residual).
    """
    metric = logged_metric(problem)
    every: Every = "day" if problem.partitions.every == "hour" else problem.partitions.every
    dates = [floor(moment.to_pydatetime(), every).date() for moment in rows["event_time"]]
    found = []
    for (date, version), part in rows.groupby([pd.Series(dates, index=rows.index), "version"]):
        known = part[part["truth"].notna()]
        found.append(
            {
                "_date": date,
                "version": version,
                "metric": metric,
                "loss": _loss(problem, metric, known),
                "labelled": len(known),
                "answered": len(part),
                "bias": float(known["residual"].mean()) if len(known) else float("nan"),
            }
        )
    columns = ["_date", "version", "metric", "loss", "labelled", "answered", "bias"]
    return pd.DataFrame(found, columns=columns)


def logged_metric(problem: Problem) -> str:
    """Return the metric that the log can be judged by: the primary one, or one without chances."""
    return problem.primary_metric if problem.task == "regression" else PLAIN[problem.task]


def row_losses(problem: Problem, truth: pd.Series, predicted: pd.Series) -> FloatArray:
    """Return the loss of each answered row by ``logged_metric``, shape (n,)."""
    kind = float if problem.task == "regression" else str
    answers = Predictions(predicted.astype(kind).to_numpy())
    return row_loss(logged_metric(problem), truth.astype(kind).to_numpy(), answers)


def _loss(problem: Problem, metric: str, known: pd.DataFrame) -> float:
    if known.empty:
        return float("nan")
    losses = row_losses(problem, known["truth"], known["prediction"])
    return float(loss_value(metric, losses.mean()))
