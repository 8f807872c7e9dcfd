"""What production is compared with while a version serves."""

from datetime import timedelta

import numpy as np
import pandas as pd

from ml_assets.core.column_reference import Role
from ml_assets.core.errors import DataError
from ml_assets.core.evaluation import PREDICTION, Evaluation
from ml_assets.core.histograms import ValueKind
from ml_assets.core.problem import Problem
from ml_assets.core.reference import Reference
from ml_assets.core.training_set import TrainingSet

PREDICTED, RESIDUAL, ABSOLUTE = "prediction", "residual", "absolute_residual"
ROLES: dict[str, Role] = {
    PREDICTED: "prediction",
    RESIDUAL: "residual",
    ABSOLUTE: "absolute_residual",
}


def watched_columns(problem: Problem, rows: TrainingSet) -> dict[str, ValueKind]:
    """Return the columns that production profiles hold, with the kind of their values."""
    kinds: dict[str, ValueKind] = dict.fromkeys(rows.numeric, "float")
    for name in rows.categorical:
        kinds[name] = "string"
    kinds[PREDICTED] = "float" if problem.task == "regression" else "string"
    return {**kinds, RESIDUAL: "float", ABSOLUTE: "float"}


def with_residuals(
    problem: Problem, frame: pd.DataFrame, *, truth: pd.Series, predicted: pd.Series
) -> pd.DataFrame:
    """Return features with the columns that tell how well they were answered.

    A residual is the prediction minus the truth. For classes it is 1 where the answer was wrong.
    Both are missing where the truth is not known yet.
    """
    if problem.task == "regression":
        residual = predicted.astype(float) - truth.astype(float)
    else:
        wrong = (predicted.astype(str) != truth.astype(str)).astype(float)
        residual = wrong.where(truth.notna())
    return frame.assign(**{PREDICTED: predicted, RESIDUAL: residual, ABSOLUTE: residual.abs()})


def learn_reference(
    problem: Problem, evaluation: Evaluation, rows: TrainingSet, model: str
) -> Reference:
    """Return the reference of a model: the rows it was judged on, as it answered them unseen.

    Raises:
        DataError: If the evaluation was made of another training set.
    """
    judged = judged_rows(evaluation, rows)
    predicted = evaluation.rows[PREDICTION + model].reset_index(drop=True)
    truth = pd.Series(judged[rows.target].to_numpy(), dtype=object)
    frame = with_residuals(problem, judged, truth=truth, predicted=predicted)
    kinds = {
        name: kind
        for name, kind in watched_columns(problem, rows).items()
        if frame[name].notna().any()
    }
    window = problem.monitoring.window
    return Reference.fit(
        frame,
        kinds,
        roles=ROLES,
        window=window,
        window_rows=_typical_rows(frame["event_time"], window),
        windows=problem.monitoring.reference_windows,
        scales=problem.monitoring.scales,
        season=problem.monitoring.season,
        times=frame["event_time"],
    )


def judged_rows(evaluation: Evaluation, rows: TrainingSet) -> pd.DataFrame:
    """Return the training rows of all test folds, in the order of the evaluation's rows."""
    times = rows.frame["event_time"]
    tested = np.zeros(len(times), dtype=bool)
    for fold in evaluation.folds:
        tested |= ((times >= fold.start) & (times < fold.end)).to_numpy()
    judged = rows.frame[tested].reset_index(drop=True)
    expected = evaluation.rows["event_time"].reset_index(drop=True)
    if len(judged) != len(expected) or not (judged["event_time"] == expected).all():
        message = (
            f"The evaluation judged {len(expected)} rows; the training set holds other rows "
            f"({len(judged)}) in its test folds. The two do not belong to each other: materialise "
            "training_set, the models and evaluation_report again with the same cutoff."
        )
        raise DataError(message)
    return judged


def _typical_rows(times: pd.Series, window: timedelta) -> int:
    counts = times.groupby(times.dt.floor(pd.Timedelta(window))).size()
    return max(1, int(counts.median()))
