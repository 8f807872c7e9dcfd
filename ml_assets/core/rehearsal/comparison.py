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


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How drift detection did.

    Attributes:
        alarms: Episodes of drift.
        windows: Windows that were judged.
        false_alarms: Episodes that opened before the change; None where no change is known.
        delay_windows: Monitoring windows from the change to, and with, the one that told; None
            where it was missed or no change is known.
        missed: Whether the change was never told; None where none is known.
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
        regret: Share of loss on top of the oracle's, with its interval.
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
    metric = rehearsal.problem.primary_metric
    days = (rehearsal.steps[-1].end - rehearsal.steps[0].start) / DAY
    usual = float(best.mean())
    costs = [
        rehearsal.problem.retraining.cost * len(c.retrainings) / days for c in rehearsal.courses
    ]
    totals = losses.mean(axis=0) / usual + costs
    drawn_totals = drawn[:, :-1] / drawn[:, -1:] + costs
    least = _least([course.policy for course in rehearsal.courses], totals)
    figures = []
    for number, course in enumerate(rehearsal.courses):
        mean = float(losses[:, number].mean())
        values = loss_value(metric, drawn[:, number])
        shares = drawn[:, number] / drawn[:, -1] - 1
        behind = drawn_totals[:, number] - drawn_totals[:, least]
        figures.append(
            PolicyFigures(
                policy=course.policy,
                loss=_estimate(blocks, float(loss_value(metric, mean)), values, confidence),
                regret=_estimate(blocks, mean / usual - 1, shares, confidence),
                total=float(totals[number]),
                behind=_estimate(blocks, float(totals[number] - totals[least]), behind, confidence),
                retrainings=len(course.retrainings),
                promotions=course.promotions,
                seconds=course.seconds,
                detection=_detection(rehearsal, course),
            )
        )
    return PolicyComparison(
        figures=tuple(figures),
        oracle=oracle,
        oracle_loss=float(loss_value(metric, usual)),
        least=figures[least].policy,
        picked=_picked(figures, figures[least], rehearsal),
        series={
            course.policy: loss_value(metric, means[:, number])
            for number, course in enumerate(rehearsal.courses)
        },
        starts=tuple(EPOCH + timedelta(microseconds=int(start)) for start in starts),
    )


def _least(policies: Sequence[str], totals: FloatArray) -> int:
    # Nobody can declare that no gate is asked; the row stays, to show what the gates cost.
    declarable = [place for place, name in enumerate(policies) if name != ALWAYS]
    return min(declarable or range(len(policies)), key=lambda place: totals[place])


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
    late = [one for one in course.episodes if one.opened + length > change]
    delay = -(-(late[0].opened + length - change) // length) if late else None
    return Detection(
        alarms=alarms,
        windows=course.windows,
        false_alarms=len(early),
        delay_windows=delay,
        missed=not late,
    )
