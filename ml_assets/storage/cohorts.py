"""The figures of one cohort: what one version answered on one storage date."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import Estimate
from ml_assets.core.estimation.audited import LOSS_SKEWNESS, Audited, audited_mean, power
from ml_assets.core.estimation.belief import Figure, Known, Verdict, believe
from ml_assets.core.estimation.early_labels import LabelArrivals
from ml_assets.core.estimation.loss_estimator import AnsweredRows, LossEstimator
from ml_assets.core.estimation.realised import realised_loss
from ml_assets.core.logged_loss import logged_metric, row_losses
from ml_assets.core.loss_reading import UsualLoss
from ml_assets.core.metrics import FloatArray, loss_value
from ml_assets.core.problem import Problem
from ml_assets.storage.cohort_rows import times_of
from ml_assets.storage.coverage import share_held
from ml_assets.storage.logged_values import logged_confidence, logged_features

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
        covered: Share of truths inside what was told beside the prediction.
        covered_rows: Rows whose truth is known and that were told something.
        usual: Loss of the version where it was judged before it served.
    """

    date: date
    version: str
    known: Known
    audit_alone: Figure
    audit_weight: float
    bias: float
    verdict: Verdict
    covered: Figure
    covered_rows: int
    usual: Figure


@dataclass(frozen=True, eq=False)
class CohortRows:
    """Some rows of one version, with what follows from them."""

    problem: Problem
    frame: pd.DataFrame
    estimator: LossEstimator | None
    until: datetime

    @cached_property
    def labelled(self) -> np.ndarray:
        """Whether the label has come."""
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
        """What labels may arrive early by."""
        return scores_of(self.problem, self.frame)

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
        """Whether a row was drawn for the audit, and its label is due."""
        return self.frame["propensity"].notna().to_numpy() & self.due

    def earlier(self, moment: pd.Timestamp) -> tuple[FloatArray, FloatArray]:
        """Return losses and estimates of labelled rows before a moment."""
        at = self.labelled & (self.frame["event_time"] < moment).to_numpy()
        return self.losses[at], self.estimates[at]


def cohort(
    rows: CohortRows,
    history: tuple[FloatArray, FloatArray],
    arrivals: LabelArrivals | None,
    usual: UsualLoss | None,
) -> Cohort:
    """Return the figures of a cohort.

    Args:
        rows: The cohort.
        history: Losses and estimates of rows that were audited earlier, in order of time.
        arrivals: How labels arrive; None if that is not known.
        usual: What the version lost where it was judged; None if that is not known.
    """
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
        *_covered(rows),
        _usual(rows.problem, usual),
    )


def _realised(rows: CohortRows, arrivals: LabelArrivals | None) -> tuple[Estimate, Estimate]:
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


def _estimated(rows: CohortRows) -> Estimate:
    if rows.estimator is None:
        return Estimate(np.nan, np.nan, np.nan)
    value = float(rows.estimates.mean())
    confidence = rows.problem.gates.confidence
    margin = rows.estimator.reliability.margin(len(rows.frame), confidence=confidence)
    return Estimate(value, value - margin, value + margin)


def _audited(rows: CohortRows, history: tuple[FloatArray, FloatArray]) -> tuple[Audited, Audited]:
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


def scores_of(problem: Problem, frame: pd.DataFrame) -> FloatArray:
    """Return what labels may arrive early by: the number answered, or the confidence."""
    if problem.task == "regression":
        return frame["prediction"].to_numpy(dtype=float)
    return np.nan_to_num(logged_confidence(frame["prediction"], frame["probabilities"]))


def _bias(rows: CohortRows) -> float:
    known = rows.frame[rows.labelled]
    if known.empty:
        return float("nan")
    if rows.problem.task != "regression":
        return float(rows.losses[rows.labelled].mean())
    return float((known["prediction"].astype(float) - known["truth"].astype(float)).mean())


def _covered(rows: CohortRows) -> tuple[Figure, int]:
    told = rows.frame[rows.frame["held"].notna()]
    share = share_held(
        told["held"].to_numpy(dtype=float),
        times_of(told),
        confidence=rows.problem.gates.confidence,
        seed=rows.problem.seed,
    )
    return (Figure(*share) if len(told) else Figure()), len(told)


def _usual(problem: Problem, usual: UsualLoss | None) -> Figure:
    if usual is None:
        return Figure()
    low, high = usual.interval(problem.gates.confidence)
    return _figure(problem, Estimate(usual.mean, low, high))


def _figure(problem: Problem, found: Estimate | Audited) -> Figure:
    """Return a mean loss on the scale people read, within what a loss can be."""
    most = np.inf if problem.task == "regression" else 1.0
    read = np.minimum(
        loss_value(logged_metric(problem), [found.value, found.low, found.high]), most
    )
    return Figure(*read.tolist())
