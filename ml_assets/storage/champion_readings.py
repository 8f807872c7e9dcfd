"""How the champion does of late: what the log, the labels and the audit hold of it."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.estimation.loss_estimator import AnsweredRows, LossEstimator
from ml_assets.core.evaluation import PREDICTION
from ml_assets.core.logged_loss import row_losses
from ml_assets.core.loss_reading import LossReading, UsualLoss
from ml_assets.core.loss_readings import (
    AnsweredLately,
    loss_readings,
    needs_estimates,
    starts_of,
)
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.cohort_rows import times_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_queue import Audit
from ml_assets.storage.logged_values import logged_confidence, plain_features
from ml_assets.storage.loss_estimators import estimator_of
from ml_assets.storage.production import answered_rows
from ml_assets.storage.versions import StoredVersion, stored_version
from ml_assets.storage.workspace import Workspace


def champion_readings(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    version: str,
    *,
    now: datetime,
    opened: datetime | None,
) -> list[LossReading]:
    """Return the champion's loss over the declared lengths, and since an episode opened.

    Only labels that were known at ``now`` count.
    """
    problem = declared.problem
    if not workspace.lake.exists(table_name(declared, "labels")):
        return []
    starts = starts_of(problem, now, opened=opened)
    rows = answered_rows(connection, workspace.lake, declared, Window(min(starts), now))
    rows = rows[rows["version"] == version].reset_index(drop=True)
    if rows.empty:
        return []
    stored = stored_version(workspace, problem.name, version)
    labelled = int(rows["truth"].notna().sum())
    listened = needs_estimates(problem, problem.retraining.triggers, labelled=labelled)
    estimator = estimator_of(workspace, stored) if listened else None
    return loss_readings(
        problem,
        _answered(problem, rows, estimator, workspace.label_queue.audits(problem.name)),
        usual=usual_loss(workspace, declared, stored),
        reliability=None if estimator is None else estimator.reliability,
        starts=starts,
        now=now,
    )


def usual_loss(workspace: Workspace, declared: DeclaredProblem, stored: StoredVersion) -> UsualLoss:
    """Return the loss of a version where it was judged, by the metric the log is judged by."""
    name, version = declared.problem.name, stored.version
    rows = evaluated_losses(workspace, name, version.cutoff)
    rows = rows[rows[PREDICTION + version.configuration.name].notna()]
    answers = rows[PREDICTION + version.configuration.name]
    losses = row_losses(declared.problem, rows["truth"], answers)
    return UsualLoss.of(losses, rows["event_time"].to_numpy("datetime64[us]"))


def evaluated_losses(workspace: Workspace, problem: str, cutoff: datetime) -> pd.DataFrame:
    """Return the rows of the evaluation at a cutoff, as ``Evaluation.rows``."""
    folder = workspace.outputs.folder(problem, cutoff, "evaluation_report")
    return pd.read_parquet(BytesIO((folder / "rows.parquet").read_bytes()))


def _answered(
    problem: Problem, rows: pd.DataFrame, estimator: LossEstimator | None, audits: Sequence[Audit]
) -> AnsweredLately:
    regression = problem.task == "regression"
    known = rows["truth"].notna().to_numpy()
    losses = np.full(len(rows), np.nan)
    losses[known] = row_losses(problem, rows["truth"][known], rows["prediction"][known])
    answers = rows["prediction"].astype(float if regression else str).to_numpy()
    confidence = (
        None if regression else logged_confidence(rows["prediction"], rows["_probabilities"])
    )
    estimates = None
    if estimator is not None:
        features = plain_features(
            rows, numeric=estimator.numeric, categorical=estimator.categorical
        )
        estimates = estimator.losses(AnsweredRows(features, answers, confidence))
    return AnsweredLately(
        times=times_of(rows),
        scores=answers if confidence is None else np.nan_to_num(confidence),
        losses=losses,
        delays=rows["_delay"].to_numpy(dtype=float),
        propensities=_propensities(rows, audits),
        estimates=estimates,
    )


def _propensities(rows: pd.DataFrame, audits: Sequence[Audit]) -> np.ndarray:
    """Return the chance by which each row was drawn, NaN of those that were not."""
    chances = {(one.request_id, one.row): one.propensity for one in audits}
    asked = zip(rows["request_id"].tolist(), rows["row"].tolist(), strict=True)
    return np.array([chances.get(one, np.nan) for one in asked], dtype=float)
