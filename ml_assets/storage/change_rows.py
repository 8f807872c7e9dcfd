"""The rows that a change is named from: what a version answered before, and since."""

from io import BytesIO

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.evaluation import PREDICTION, Evaluation
from ml_assets.core.logged_loss import logged_metric
from ml_assets.core.metrics import Predictions, row_loss
from ml_assets.core.monitoring_reference import judged_rows
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.fitted_models import training_set_at
from ml_assets.storage.production import answered_rows
from ml_assets.storage.versions import StoredVersion
from ml_assets.storage.workspace import Workspace

STAGE = "evaluation_report"


def production_rows(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stored: StoredVersion,
    window: Window,
) -> pd.DataFrame:
    """Return what a version answered in a window, with the truth as it was known at its end.

    Returns:
        ``event_time``, the keys, the features, ``prediction`` and ``truth``.
    """
    rows = answered_rows(connection, workspace.lake, declared, window)
    return rows[rows["version"] == stored.name].reset_index(drop=True)


def evaluated_rows(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stored: StoredVersion,
) -> pd.DataFrame:
    """Return the rows that a version was judged on, as it answered them unseen.

    Returns:
        As ``production_rows``; without rows where the cutoff was evaluated anew without it.
    """
    problem, cutoff = declared.problem, stored.version.cutoff
    folder = workspace.outputs.folder(problem.name, cutoff, STAGE)
    evaluation = Evaluation.from_json(
        workspace.outputs.read_json(problem.name, cutoff, STAGE, "evaluation.json"),
        pd.read_parquet(BytesIO((folder / "rows.parquet").read_bytes())),
    )
    training_set = training_set_at(connection, workspace, declared, cutoff)
    judged = judged_rows(evaluation, training_set)
    answers = PREDICTION + stored.version.configuration.name
    if answers not in evaluation.rows:
        return judged.iloc[:0].assign(prediction=None, truth=None)
    known = judged.assign(
        prediction=evaluation.rows[answers].to_numpy(),
        truth=judged[training_set.target].to_numpy(),
    )
    return known[known["prediction"].notna()].reset_index(drop=True)


def compared(
    problem: Problem,
    frame: pd.DataFrame,
    *,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
) -> ComparedRows:
    """Return rows in the form that changes are named from.

    Args:
        problem: Its keys name the entity, its metric the loss.
        frame: What ``production_rows`` or ``evaluated_rows`` returns.
        numeric: Features that are numbers.
        categorical: Features that are text.
    """
    frame = frame.sort_values("event_time", kind="stable", ignore_index=True)
    kind = float if problem.task == "regression" else object
    prediction, truth = (frame[name].to_numpy(dtype=kind) for name in ("prediction", "truth"))
    known = frame["truth"].notna().to_numpy()
    loss = np.full(len(frame), np.nan)
    loss[known] = losses(problem, truth[known], prediction[known])
    names = ["/".join(map(str, key)) for key in frame[[*problem.keys]].itertuples(index=False)]
    who = np.array(names if problem.keys else [""] * len(frame), dtype=object)
    features = frame[[*numeric, *categorical]].assign(event_time=frame["event_time"])
    features[[*numeric]] = features[[*numeric]].astype(np.float64)
    return ComparedRows(features, numeric, categorical, who, prediction, truth, loss)


def losses(problem: Problem, truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return the loss of each answer by the metric that the log can be judged by."""
    kind = float if problem.task == "regression" else str
    return row_loss(logged_metric(problem), truth.astype(kind), Predictions(answers.astype(kind)))
