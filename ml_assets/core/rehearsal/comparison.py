"""What is said of each policy after a rehearsal, and which one is picked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from ml_assets.core.bootstrap import Blocks, Estimate
from ml_assets.core.errors import DataError
from ml_assets.core.histograms import EPOCH
from ml_assets.core.metrics import loss_value
from ml_assets.core.rehearsal.live import Course
from ml_assets.core.rehearsal.policies import ALWAYS, DECLARED, SCHEDULED
from ml_assets.core.rehearsal.rehearse import Rehearsal

FloatArray = npt.NDArray[np.float64]
DAY = timedelta(days=1)
# An oracle that errs less than this share of what the policies err by is counted as if it erred so
# much: figures are in units of its loss, and one that misses nothing would make any loss infinite.
LEAST_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How drift detection did.

    Attributes:
        alarms: Episodes of drift.
        windows: Windows that were judged.
        false_alarms: Episodes that opened before the change; None where no change is known.
        delay_windows: Monitoring windows from the change to, and with, the first that drifted after
            it; None where it was missed or no change is known.
        missed: Whether no window drifted after the change; None where none is known.
    """

    alarms: int
    windows: int
    false_alarms: int | None = None
    delay_windows: int | None = None
    missed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyFigures:
    """One policy in figures.

    Attributes:
        policy: Its name.
        loss: Primary metric as a loss over all answered rows, with its interval.
        regret: Loss on top of the oracle's as a share of the usual loss, with its interval. Usual
            is the oracle's, or ``LEAST_SHARE`` of the policies' where that is more.
        total: Loss a day and cost of retraining a day, in days of the usual loss: what is picked
            by.
        behind: How much more that is than the least total of those that can be declared.
        retrainings: Cutoffs that were trained after the first.
        promotions: Those whose model was let through.
        seconds: Compute of the retrainings.
        detection: What watching told; None where nobody watched.
    """

    policy: str
    loss: Estimate
    regret: Estimate
    total: float
    behind: Estimate
    retrainings: int
    promotions: int
    seconds: float
    detection: Detection | None


@dataclass(frozen=True, kw_only=True)
class PolicyComparison:
    """All policies of a rehearsal beside each other.

    Attributes:
        figures: One a policy.
        oracle: What regret is measured against: ``told``, who knew of the change and learned from
            it at every partition, or ``hindsight``, the best compared policy in each window.
        oracle_loss: Its loss.
        least: The policy with the least total of loss and cost, of those that can be declared.
        picked: A regular one, if this past cannot tell its total from the least; else the least.
            What a policy that waits for a reason loses on changes that this past did not hold is
            not in its total; what regular retraining costs is.
        series: Mean loss by window and policy, with ``starts``.
        starts: Start of each window.
    """

    figures: tuple[PolicyFigures, ...]
    oracle: Literal["told", "hindsight"]
    oracle_loss: float
    least: str
    picked: str
    series: Mapping[str, FloatArray]
    starts: tuple[datetime, ...]

    def figure(self, policy: str) -> PolicyFigures:
        """Return the figures of a policy by its name."""
        return next(one for one in self.figures if one.policy == policy)


def compare_policies(rehearsal: Rehearsal, *, confidence: float = 0.95) -> PolicyComparison:
    """Put the policies of a rehearsal beside each other.

    Args:
        rehearsal: What was lived through.
        confidence: Of the intervals, which share their resamples.

    Raises:
        DataError: If no truth is known of any answered row.
    """
    losses = np.column_stack([course.losses for course in rehearsal.courses])
    known = ~np.isnan(losses).any(axis=1)
    if not known.any():
        message = f"No label of {rehearsal.problem.name!r} is known in the rehearsed partitions."
        raise DataError(message)
    losses, times = losses[known], rehearsal.times[known]
    windows = _window_of(times, rehearsal.problem.monitoring.window)
    starts, place = np.unique(windows, return_inverse=True)
    means = _means(losses, place)
    if rehearsal.oracle is not None:
        best, oracle = rehearsal.oracle.losses[known], "told"
    else:
        best, oracle = losses[np.arange(len(losses)), means.argmin(axis=1)[place]], "hindsight"
    blocks = Blocks.draw(times, seed=rehearsal.seed, series=losses.mean(axis=1))
    drawn = blocks.means(np.column_stack([losses, best]))
    metric, oracle_loss = rehearsal.problem.primary_metric, float(best.mean())
    figures = _figures(
        rehearsal, blocks, losses, oracle=oracle_loss, drawn=drawn, confidence=confidence
    )
    least = min(figures, key=lambda one: _order(one.policy, one.total))
    return PolicyComparison(
        figures=figures,
        oracle=oracle,
        oracle_loss=float(loss_value(metric, oracle_loss)),
        least=least.policy,
        picked=_picked(figures, least, rehearsal),
        series={
            course.policy: loss_value(metric, means[:, number])
            for number, course in enumerate(rehearsal.courses)
        },
        starts=tuple(EPOCH + timedelta(microseconds=int(start)) for start in starts),
    )


def _figures(
    rehearsal: Rehearsal,
    blocks: Blocks,
    losses: FloatArray,
    *,
    oracle: float,
    drawn: FloatArray,
    confidence: float,
) -> tuple[PolicyFigures, ...]:
    """Return the figures of each policy.

    Args:
        rehearsal: What was lived through.
        blocks: What was drawn.
        losses: By row and policy.
        oracle: Mean loss of the oracle.
        drawn: Mean losses by resample and policy, the oracle's last.
        confidence: Of the intervals.
    """
    metric, courses = rehearsal.problem.primary_metric, rehearsal.courses
    days = (rehearsal.steps[-1].end - rehearsal.steps[0].start) / DAY
    cost = rehearsal.problem.retraining.cost
    costs = np.array([cost * len(course.retrainings) / days for course in courses])
    means = losses.mean(axis=0)
    floor = LEAST_SHARE * float(means.mean()) or 1.0  # where nobody errs, any unit does
    usual, drawn_usual = max(oracle, floor), np.maximum(drawn[:, -1:], floor)
    ratios = drawn[:, :-1] / drawn_usual
    regrets, drawn_regrets = means / usual - oracle / usual, ratios - drawn[:, -1:] / drawn_usual
    totals, drawn_totals = means / usual + costs, ratios + costs
    least = min(range(len(courses)), key=lambda n: _order(courses[n].policy, totals[n]))
    return tuple(
        PolicyFigures(
            policy=course.policy,
            loss=_estimate(
                blocks,
                float(loss_value(metric, float(means[n]))),
                loss_value(metric, drawn[:, n]),
                confidence,
            ),
            regret=_estimate(blocks, float(regrets[n]), drawn_regrets[:, n], confidence),
            total=float(totals[n]),
            behind=_estimate(
                blocks,
                float(totals[n] - totals[least]),
                drawn_totals[:, n] - drawn_totals[:, least],
                confidence,
            ),
            retrainings=len(course.retrainings),
            promotions=course.promotions,
            seconds=course.seconds,
            detection=_detection(rehearsal, course),
        )
        for n, course in enumerate(courses)
    )


def _order(policy: str, total: float) -> tuple[bool, float]:
    # Nobody can declare that no gate is asked; the row stays, to show what the gates cost.
    return policy == ALWAYS, total


def _picked(figures: Sequence[PolicyFigures], least: PolicyFigures, rehearsal: Rehearsal) -> str:
    regular = {SCHEDULED}
    if rehearsal.problem.retraining.cron is not None:
        regular.add(DECLARED)
    tied = [one for one in figures if one.policy in regular and one.behind.low <= 0]
    return min(tied or [least], key=lambda one: one.total).policy


def _estimate(blocks: Blocks, value: float, drawn: FloatArray, confidence: float) -> Estimate:
    low, high = blocks.interval(drawn, confidence=confidence)
    return Estimate(value, low, high)


def _window_of(times: npt.NDArray[np.datetime64], window: timedelta) -> npt.NDArray[np.int64]:
    """Return the start of the monitoring window of each row, in microseconds of the epoch."""
    length = window // timedelta(microseconds=1)
    return times.astype("datetime64[us]").astype(np.int64) // length * length


def _means(losses: FloatArray, place: npt.NDArray[np.intp]) -> FloatArray:
    """Return the mean of each column by window, shape (windows, columns)."""
    counts = np.bincount(place)
    return np.column_stack([np.bincount(place, weights=column) / counts for column in losses.T])


def _detection(rehearsal: Rehearsal, course: Course) -> Detection | None:
    if course.windows == 0:
        return None
    alarms, change = len(course.episodes), rehearsal.change
    if change is None:
        return Detection(alarms=alarms, windows=course.windows)
    length = rehearsal.problem.monitoring.window
    early = [one for one in course.episodes if one.opened + length <= change]
    # Not the next opening: an alarm that was false may be open still when the change comes.
    told = min((start for start in course.drifted if start + length > change), default=None)
    delay = None if told is None else -(-(told + length - change) // length)
    return Detection(
        alarms=alarms,
        windows=course.windows,
        false_alarms=len(early),
        delay_windows=delay,
        missed=told is None,
    )
