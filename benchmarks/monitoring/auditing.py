"""Whether the audited interval of a day's loss holds the day's true loss, at its end and always."""

from dataclasses import dataclass

import numpy as np

from benchmarks.monitoring.lives import DAY, ONSET, SERVES, Life
from ml_assets.core.estimation.audited import LOSS_SKEWNESS, audited_mean, power
from ml_assets.core.estimation.loss_estimator import (
    AnsweredRows,
    LossEstimator,
    fit_loss_estimator,
)
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.window import Window

REFERENCE_DAYS = 5  # of quiet production, answered unseen: what the estimator learns from
FEWEST = 5  # audited rows from which the interval is read


@dataclass(frozen=True)
class Audit:
    """One audited day.

    Attributes:
        changed: Whether it lies after the change.
        held: Whether the last interval held the truth.
        held_always: Whether every interval on the way did.
        width: Of the last interval, as a share of the true loss.
        estimate_error: Of the estimate without an audit, as a share of the true loss.
    """

    changed: bool
    held: bool
    held_always: bool
    width: float
    estimate_error: float


def audits(life: Life, version: Version) -> list[Audit]:
    """Audit every day of production after the estimator's reference with the declared budget."""
    first = SERVES + REFERENCE_DAYS * DAY
    estimator = _estimator(life, version, Window(SERVES, first))
    chance = np.random.default_rng([life.seed, 17])
    declared = life.world.problem.labelling
    budget = round(declared.daily_budget * declared.audit_share)
    history: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
    found = []
    for step in life.world.steps:
        if step.start < first:
            continue
        losses, estimates = _day(life, version, estimator, step)
        drawn = chance.choice(len(losses), size=min(budget, len(losses)), replace=False)
        changed = step.start >= ONSET
        day = (losses, estimates)
        found.append(
            _audit(life, estimator, day=day, drawn=drawn, history=history, changed=changed)
        )
        history = tuple(
            np.concatenate([old, new[drawn]])
            for old, new in zip(history, (losses, estimates), strict=True)
        )
    return found


def _audit(
    life: Life,
    estimator: LossEstimator,
    *,
    day: tuple[np.ndarray, np.ndarray],
    drawn: np.ndarray,
    history: tuple[np.ndarray, np.ndarray],
    changed: bool,
) -> Audit:
    losses, estimates = day
    tried = estimator.reliability
    weight = power(*history, prior_slope=tried.slope, prior_variance=tried.estimate_variance)
    looks = [
        audited_mean(
            losses[drawn[:rows]],
            estimates[drawn[:rows]],
            all_estimates=estimates,
            weight=weight,
            planned=len(drawn),
            prior_variance=tried.loss_variance,
            prior_skewness=LOSS_SKEWNESS,
            confidence=life.world.problem.gates.confidence,
        )
        for rows in range(FEWEST, len(drawn) + 1)
    ]
    true = float(losses.mean())
    held = [look.low <= true <= look.high for look in looks]
    return Audit(
        changed=changed,
        held=held[-1],
        held_always=all(held),
        width=(looks[-1].high - looks[-1].low) / true,
        estimate_error=float(estimates.mean()) / true - 1,
    )


def _day(
    life: Life, version: Version, estimator: LossEstimator, window: Window
) -> tuple[np.ndarray, np.ndarray]:
    rows = life.past.between(window)
    answers, truth = life.answers(version, rows), life.truth[rows]
    frame = life.past.frame.iloc[rows].reset_index(drop=True)
    known = np.isfinite(truth)
    estimates = estimator.losses(AnsweredRows(frame, answers))
    return np.abs(answers - truth)[known], estimates[known]


def _estimator(life: Life, version: Version, window: Window) -> LossEstimator:
    rows = life.past.between(window)
    frame = life.past.frame.iloc[rows].reset_index(drop=True)
    answers = life.answers(version, rows)
    losses = np.abs(answers - life.truth[rows])
    known = np.flatnonzero(np.isfinite(losses))
    found = fit_loss_estimator(
        AnsweredRows(frame, answers).rows(known),
        losses[known],
        metric=life.world.problem.primary_metric,
        numeric=life.past.numeric,
        categorical=life.past.categorical,
        seed=life.seed,
    )
    if found is None:
        message = f"Too few rows for a loss estimator in {window}."
        raise RuntimeError(message)
    return found
