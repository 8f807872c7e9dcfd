"""The estimator of a version's losses: learned when the version is, stored with it."""

import json

import numpy as np
import pandas as pd

from ml_assets.core.errors import ArtefactError
from ml_assets.core.estimation.loss_estimator import (
    AnsweredRows,
    LossEstimator,
    fit_loss_estimator,
)
from ml_assets.core.evaluation import CONFIDENCE, PREDICTION, Evaluation
from ml_assets.core.monitoring_reference import judged_rows
from ml_assets.core.problem import Problem
from ml_assets.core.training_set import TrainingSet
from ml_assets.storage.model_files import load, save
from ml_assets.storage.row_losses import logged_metric, row_losses
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.versions import StoredVersion
from ml_assets.storage.workspace import Workspace

FACTS, MODEL = "loss_estimator.json", "loss_model.skops"


def learn_loss_estimator(
    problem: Problem, evaluation: Evaluation, rows: TrainingSet, model: str
) -> LossEstimator | None:
    """Return an estimator learned from the rows that a model was judged on, answered unseen.

    Raises:
        DataError: If the evaluation was made of another training set.
    """
    judged = judged_rows(evaluation, rows)
    answers = evaluation.rows[PREDICTION + model].reset_index(drop=True)
    at = np.flatnonzero(answers.notna().to_numpy())
    truth = pd.Series(judged[rows.target].to_numpy()[at], dtype=object)
    given = evaluation.rows.get(CONFIDENCE + model)
    confidence = None if given is None else given.to_numpy(dtype=np.float64)[at]
    answered = answers.iloc[at].reset_index(drop=True)
    return fit_loss_estimator(
        AnsweredRows(
            judged[list(rows.features)].iloc[at].reset_index(drop=True),
            _plain(problem, answered),
            confidence,
        ),
        row_losses(problem, truth, answered),
        metric=logged_metric(problem),
        numeric=rows.numeric,
        categorical=rows.categorical,
        seed=problem.seed,
    )


def estimator_files(estimator: LossEstimator | None) -> dict[str, bytes]:
    """Return an estimator as files to store with its version; none if there is no estimator."""
    if estimator is None:
        return {}
    files = {FACTS: as_json(estimator.to_json())}
    return files if estimator.model is None else {**files, MODEL: save(estimator.model)}


def estimator_of(workspace: Workspace, stored: StoredVersion) -> LossEstimator | None:
    """Return a version's estimator, verified first; None if it had too few rows for one.

    Raises:
        ArtefactError: If a file was changed or names a type that is not trusted.
    """
    folder = workspace.artefacts.folder(stored.digest)
    if not (folder / FACTS).is_file():
        return None
    values = json.loads((folder / FACTS).read_bytes())
    if values["calibration"] is not None:
        return LossEstimator.from_json(values)
    if not (folder / MODEL).is_file():
        message = f"{stored.name} has {FACTS} without {MODEL}. Train the version again."
        raise ArtefactError(message)
    return LossEstimator.from_json(values, load((folder / MODEL).read_bytes()))


def _plain(problem: Problem, answers: pd.Series) -> np.ndarray:
    return answers.astype(float if problem.task == "regression" else str).to_numpy()
