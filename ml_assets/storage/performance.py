"""Performance three ways: realised, estimated without labels, and audited; by cohort and version.

A cohort is what one version answered on one storage date. It is told again at every look, as long
as its labels come in.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import Estimate
from ml_assets.core.errors import LedgerError
from ml_assets.core.estimation.audited import LOSS_SKEWNESS, Audited, audited_mean, power
from ml_assets.core.estimation.belief import Figure, Known, Verdict, believe
from ml_assets.core.estimation.early_labels import LabelArrivals
from ml_assets.core.estimation.loss_estimator import AnsweredRows, LossEstimator
from ml_assets.core.estimation.realised import realised_loss
from ml_assets.core.logged_loss import logged_metric, row_losses
from ml_assets.core.metrics import FloatArray, loss_value
from ml_assets.core.problem import Problem
from ml_assets.core.window import Every, Window, floor
from ml_assets.storage.cohort_rows import cohort_rows, times_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.logged_values import logged_confidence, logged_features
from ml_assets.storage.loss_estimators import estimator_of
from ml_assets.storage.versions import stored_version
from ml_assets.storage.workspace import Workspace

PAST = timedelta(days=28)
FEWEST_PAST = 100  # rows of complete cohorts that tell how labels arrive
MISS_VARIANCE = 0.25  # the largest variance of a miss


@dataclass(frozen=True)
class Cohort:
    """What is known of one cohort at a look.

    Attributes:
        date: Storage date of the rows.
        version: That answered them.
        known: The figures, on the scale people read.
        audit_alone: The audit without the estimate.
        audit_weight: Of the estimate in the audited figure.
        bias: Mean of prediction minus truth; of classes, the share of misses.
        verdict: Which figure to believe.
    """

    date: date
    version: str
    known: Known
    audit_alone: Figure
    audit_weight: float
    bias: float
    verdict: Verdict


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
        cohort
        for version, part in rows.groupby("version", sort=True)
        for cohort in _of_version(
            part,
            estimator=_estimator(workspace, problem, str(version)),
            arrivals=arrivals,
            problem=problem,
            until=until,
        )
    ]
    ordered = sorted(found, key=lambda one: (one.date, one.version))
    return Performance(logged_metric(problem), until, cohorts, tuple(ordered))


def to_row(seen: Performance, cohort: Cohort) -> dict[str, Any]:
    """Return a cohort as a row of the report's table."""
    known = cohort.known
    figures = {
        "realised": known.realised,
        "corrected": known.corrected,
        "estimated": known.estimated,
        "audited": known.audited,
        "audit_alone": cohort.audit_alone,
        "believed": cohort.verdict.figure,
    }
    values = {
        name if part == "value" else f"{name}_{part}": value
        for name, figure in figures.items()
        for part, value in asdict(figure).items()
    }
    return {
        "_date": cohort.date,
        "version": cohort.version,
        "metric": seen.metric,
        "until": seen.until,
        "answered": known.answered,
        "labelled": known.labelled,
        "audit_asked": known.audit_asked,
        "audit_rows": known.audit_rows,
        "audit_weight": cohort.audit_weight,
        "bias": cohort.bias,
        "belief": cohort.verdict.belief,
        "concept_changed": cohort.verdict.concept_changed,
        "reason": cohort.verdict.reason,
        **{name: value if np.isfinite(value) else None for name, value in values.items()},
    }


def _of_version(
    own: pd.DataFrame,
    *,
    estimator: LossEstimator | None,
    arrivals: LabelArrivals | None,
    problem: Problem,
    until: datetime,
) -> Iterator[Cohort]:
    audited_before = _Rows(problem, own[own["propensity"].notna()], estimator, until)
    for _, part in own[~own["is_past"]].groupby("_date", sort=True):
        cohort = _Rows(problem, part, estimator, until)
        history = audited_before.earlier(part["event_time"].iloc[0])
        yield _cohort(cohort, history, arrivals)


def _estimator(workspace: Workspace, problem: Problem, version: str) -> LossEstimator | None:
    try:
        stored = stored_version(workspace, problem.name, version)
    except LedgerError:
        return None  # the log of a server elsewhere, whose versions this ledger does not know
    return estimator_of(workspace, stored)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of one version, with what follows from them."""

    problem: Problem
    frame: pd.DataFrame
    estimator: LossEstimator | None
    until: datetime

    @cached_property
    def labelled(self) -> np.ndarray:
        return self.frame["truth"].notna().to_numpy()

    @cached_property
    def losses(self) -> FloatArray:
        """Of each row, NaN where the label has not come."""
        found = np.full(len(self.frame), np.nan)
        known = self.frame[self.labelled]
        found[self.labelled] = row_losses(self.problem, known["truth"], known["prediction"])
        return found

    @cached_property
    def scores(self) -> FloatArray:
        return _scores(self.problem, self.frame)

    @cached_property
    def estimates(self) -> FloatArray:
        """Expected loss of each row; zeros without an estimator."""
        if self.estimator is None:
            return np.zeros(len(self.frame))
        frame = self.frame
        regression = self.problem.task == "regression"
        answers = frame["prediction"].astype(float if regression else str).to_numpy()
        confidence = (
            None if regression else logged_confidence(frame["prediction"], frame["probabilities"])
        )
        features = logged_features(
            frame["features"],
            numeric=self.estimator.numeric,
            categorical=self.estimator.categorical,
        )
        return self.estimator.losses(AnsweredRows(features, answers, confidence))

    @cached_property
    def due(self) -> np.ndarray:
        """Whether the label should be there by now: an audit counts then, and never sooner."""
        return (self.frame["event_time"] + self.problem.label.delay <= self.until).to_numpy()

    @cached_property
    def drawn(self) -> np.ndarray:
        return self.frame["propensity"].notna().to_numpy() & self.due

    def earlier(self, moment: pd.Timestamp) -> tuple[FloatArray, FloatArray]:
        """Return losses and estimates of labelled rows before a moment."""
        at = self.labelled & (self.frame["event_time"] < moment).to_numpy()
        return self.losses[at], self.estimates[at]


def _cohort(
    rows: _Rows,
    history: tuple[FloatArray, FloatArray],
    arrivals: LabelArrivals | None,
) -> Cohort:
    realised, corrected = _realised(rows, arrivals)
    audited, alone = _audited(rows, history)
    known = Known(
        answered=len(rows.frame),
        labelled=int(rows.labelled.sum()),
        realised=_figure(rows.problem, realised),
        corrected=_figure(rows.problem, corrected),
        estimated=_figure(rows.problem, _estimated(rows)),
        audited=_figure(rows.problem, audited),
        audit_asked=int(rows.drawn.sum()),
        audit_rows=audited.rows,
    )
    return Cohort(
        rows.frame["_date"].iloc[0].date(),
        str(rows.frame["version"].iloc[0]),
        known,
        _figure(rows.problem, alone),
        audited.weight,
        _bias(rows),
        believe(known),
    )


def _realised(rows: _Rows, arrivals: LabelArrivals | None) -> tuple[Estimate, Estimate]:
    at = rows.labelled
    shared = {"confidence": rows.problem.gates.confidence, "seed": rows.problem.seed}
    times, losses = times_of(rows.frame[at]), rows.losses[at]
    plain = realised_loss(losses, times, **shared)
    if at.all():
        return plain, plain
    if arrivals is None:
        return plain, Estimate(np.nan, np.nan, np.nan)
    ages = (rows.until - rows.frame["event_time"]).dt.total_seconds().to_numpy()
    weights = 1 / arrivals.chances(rows.scores[at], losses, ages=ages)
    return plain, realised_loss(losses, times, weights=weights, **shared)


def _estimated(rows: _Rows) -> Estimate:
    if rows.estimator is None:
        return Estimate(np.nan, np.nan, np.nan)
    value = float(rows.estimates.mean())
    confidence = rows.problem.gates.confidence
    margin = rows.estimator.reliability.margin(len(rows.frame), confidence=confidence)
    return Estimate(value, value - margin, value + margin)


def _audited(rows: _Rows, history: tuple[FloatArray, FloatArray]) -> tuple[Audited, Audited]:
    at = rows.drawn & rows.labelled
    tried = None if rows.estimator is None else rows.estimator.reliability
    weight = 0.0
    if tried is not None:
        weight = power(*history, prior_slope=tried.slope, prior_variance=tried.estimate_variance)
    if rows.problem.task != "regression":
        prior, skewness = MISS_VARIANCE, 0.0
    else:
        prior, skewness = 0.0 if tried is None else tried.loss_variance, LOSS_SKEWNESS
    both = [
        audited_mean(
            rows.losses[at],
            rows.estimates[at],
            all_estimates=rows.estimates[rows.due],
            propensities=rows.frame["propensity"].to_numpy(dtype=float)[at],
            weight=each,
            planned=int(rows.drawn.sum()),
            prior_variance=prior,
            prior_skewness=skewness,
            confidence=rows.problem.gates.confidence,
        )
        for each in (weight, 0.0)
    ]
    return both[0], both[1]


def _arrivals(problem: Problem, rows: pd.DataFrame, until: datetime) -> LabelArrivals | None:
    """Learn how labels arrive from all rows whose label is due and has come."""
    due = rows["event_time"] + problem.label.delay <= until
    whole = rows[due & rows["truth"].notna()]
    if len(whole) < FEWEST_PAST:
        return None
    return LabelArrivals.learn(
        _scores(problem, whole),
        row_losses(problem, whole["truth"], whole["prediction"]),
        whole["delay"].to_numpy(dtype=float),
    )


def _scores(problem: Problem, frame: pd.DataFrame) -> FloatArray:
    if problem.task == "regression":
        return frame["prediction"].to_numpy(dtype=float)
    return np.nan_to_num(logged_confidence(frame["prediction"], frame["probabilities"]))


def _bias(rows: _Rows) -> float:
    known = rows.frame[rows.labelled]
    if known.empty:
        return float("nan")
    if rows.problem.task != "regression":
        return float(rows.losses[rows.labelled].mean())
    return float((known["prediction"].astype(float) - known["truth"].astype(float)).mean())


def _figure(problem: Problem, found: Estimate | Audited) -> Figure:
    """Return a mean loss on the scale people read, within what a loss can be."""
    most = np.inf if problem.task == "regression" else 1.0
    read = np.minimum(
        loss_value(logged_metric(problem), [found.value, found.low, found.high]), most
    )
    return Figure(*read.tolist())
