"""Performance three ways: realised, estimated without labels, and audited; by cohort and version.

A cohort is what one version answered on one storage date. It is told again at every look, as long
as its labels come in.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.errors import LedgerError
from ml_assets.core.estimation.early_labels import FEWEST_PAST, LabelArrivals
from ml_assets.core.estimation.loss_estimator import LossEstimator
from ml_assets.core.logged_loss import logged_metric, row_losses
from ml_assets.core.loss_reading import UsualLoss
from ml_assets.core.problem import Problem
from ml_assets.core.window import Every, Window, floor
from ml_assets.storage.champion_readings import usual_loss
from ml_assets.storage.cohort_rows import cohort_rows
from ml_assets.storage.cohorts import Cohort, CohortRows, cohort, scores_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.loss_estimators import estimator_of
from ml_assets.storage.versions import stored_version
from ml_assets.storage.workspace import Workspace

PAST = timedelta(days=28)


@dataclass(frozen=True)
class Performance:
    """What a look found.

    Attributes:
        metric: Whose loss is told; lower is better.
        until: Up to when labels were known.
        window: Cohorts that were looked at, whole storage dates.
        cohorts: In order of date and version.
    """

    metric: str
    until: datetime
    window: Window
    cohorts: tuple[Cohort, ...]


def performance(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
    *,
    until: datetime,
) -> Performance:
    """Look at the cohorts of a window, and at earlier ones whose labels may still come in.

    Args:
        connection: Where views go.
        workspace: Holds the log, the labels, the audits and the versions.
        declared: The problem.
        window: Partitions.
        until: Labels that became known later are not seen.
    """
    problem = declared.problem
    every: Every = "day" if problem.partitions.every == "hour" else problem.partitions.every
    first = max(floor(window.start - problem.label.delay, every), problem.partitions.start)
    cohorts = Window(floor(first, every), window.end)
    rows = cohort_rows(
        connection,
        workspace.lake,
        declared,
        cohorts,
        past=PAST + problem.label.delay,
        until=until,
        audits=workspace.label_queue.audits(problem.name),
    )
    arrivals = _arrivals(problem, rows, until)
    found = [
        one
        for version, part in rows.groupby("version", sort=True)
        for one in _of_version(
            part,
            judged=_judged(workspace, declared, str(version)),
            arrivals=arrivals,
            problem=problem,
            until=until,
        )
    ]
    ordered = sorted(found, key=lambda one: (one.date, one.version))
    return Performance(logged_metric(problem), until, cohorts, tuple(ordered))


def to_row(seen: Performance, one: Cohort) -> dict[str, Any]:
    """Return a cohort as a row of the report's table."""
    known = one.known
    figures = {
        "realised": known.realised,
        "corrected": known.corrected,
        "estimated": known.estimated,
        "audited": known.audited,
        "audit_alone": one.audit_alone,
        "believed": one.verdict.figure,
        "covered": one.covered,
        "usual": one.usual,
    }
    values = {
        name if part == "value" else f"{name}_{part}": value
        for name, figure in figures.items()
        for part, value in asdict(figure).items()
    }
    return {
        "_date": one.date,
        "version": one.version,
        "metric": seen.metric,
        "until": seen.until,
        "answered": known.answered,
        "labelled": known.labelled,
        "audit_asked": known.audit_asked,
        "audit_rows": known.audit_rows,
        "audit_weight": one.audit_weight,
        "bias": one.bias,
        "covered_rows": one.covered_rows,
        "belief": one.verdict.belief,
        "concept_changed": one.verdict.concept_changed,
        "reason": one.verdict.reason,
        **{name: value if np.isfinite(value) else None for name, value in values.items()},
    }


@dataclass(frozen=True)
class _Judged:
    """What a version left behind when it was judged; nothing is known of one from elsewhere."""

    estimator: LossEstimator | None = None
    usual: UsualLoss | None = None


def _judged(workspace: Workspace, declared: DeclaredProblem, version: str) -> _Judged:
    try:
        stored = stored_version(workspace, declared.problem.name, version)
    except LedgerError:
        return _Judged()  # the log of a server elsewhere, whose versions this ledger does not know
    return _Judged(estimator_of(workspace, stored), usual_loss(workspace, declared, stored))


def _of_version(
    own: pd.DataFrame,
    *,
    judged: _Judged,
    arrivals: LabelArrivals | None,
    problem: Problem,
    until: datetime,
) -> Iterator[Cohort]:
    audited = own[own["propensity"].notna()]
    audited_before = CohortRows(problem, audited, judged.estimator, until)
    for _, part in own[~own["is_past"]].groupby("_date", sort=True):
        rows = CohortRows(problem, part, judged.estimator, until)
        history = audited_before.earlier(part["event_time"].iloc[0])
        yield cohort(rows, history, arrivals, judged.usual)


def _arrivals(problem: Problem, rows: pd.DataFrame, until: datetime) -> LabelArrivals | None:
    """Learn how labels arrive from all rows whose label is due and has come."""
    due = rows["event_time"] + problem.label.delay <= until
    whole = rows[due & rows["truth"].notna()]
    if len(whole) < FEWEST_PAST:
        return None
    return LabelArrivals.learn(
        scores_of(problem, whole),
        row_losses(problem, whole["truth"], whole["prediction"]),
        whole["delay"].to_numpy(dtype=float),
    )
