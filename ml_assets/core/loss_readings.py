"""The champion's loss of late, three ways: what the retraining policy hears, live and rehearsed.

Labels tell it where enough have come. A random audit tells it where only a sample has: its error
has two parts, that of drawing so few of the rows, and that of so short a stretch. An estimate tells
it before any label comes, and is blind to a change of what the features mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np
import numpy.typing as npt

from ml_assets.core.estimation.audited import audited_mean, power
from ml_assets.core.estimation.belief import ANSWERED_AUDIT
from ml_assets.core.estimation.early_labels import FEWEST_PAST, LabelArrivals
from ml_assets.core.estimation.reliability import Reliability
from ml_assets.core.loss_reading import LossReading, UsualLoss
from ml_assets.core.problem import Problem

FloatArray = npt.NDArray[np.float64]

LEAST_AUDITED = 20
SECOND = np.timedelta64(1_000_000, "us")


@dataclass(frozen=True, eq=False)
class AnsweredLately:
    """Rows that one version answered, in order of time.

    Attributes:
        times: Event times in UTC, shape (n,).
        scores: The answer as a number: a regression's, or the probability of the answered class,
            shape (n,).
        losses: NaN where no label was known, shape (n,).
        delays: Seconds from the event to the label, NaN where none was known, shape (n,).
        propensities: Chance of being drawn by the random audit, NaN of rows not drawn, shape (n,).
        estimates: Expected loss of each row, shape (n,); None where nobody asked for it.
    """

    times: npt.NDArray[np.datetime64]
    scores: FloatArray
    losses: FloatArray
    delays: FloatArray
    propensities: FloatArray
    estimates: FloatArray | None = None

    def rows(self, at: slice) -> "AnsweredLately":
        """Return some of the rows."""
        return AnsweredLately(
            self.times[at],
            self.scores[at],
            self.losses[at],
            self.delays[at],
            self.propensities[at],
            None if self.estimates is None else self.estimates[at],
        )


def starts_of(problem: Problem, now: datetime, *, opened: datetime | None) -> set[datetime]:
    """Return where the stretches begin that are read: the declared lengths, and an opening."""
    monitoring = problem.monitoring
    starts = {now - scale * monitoring.window for scale in monitoring.scales}
    return starts if opened is None else {*starts, opened}


def needs_estimates(problem: Problem, triggers: Iterable[str], *, labelled: int) -> bool:
    """Say whether estimates matter: they are listened to, or there is hardly anything else."""
    heard = {"estimated", "audited"} & set(triggers)
    return bool(heard) or labelled < problem.monitoring.min_rows


def loss_readings(
    problem: Problem,
    rows: AnsweredLately,
    *,
    usual: UsualLoss,
    reliability: Reliability | None,
    starts: Iterable[datetime],
    now: datetime,
) -> list[LossReading]:
    """Return what is known of the loss in each of some stretches that end now.

    Args:
        problem: Declares the label delay, and how many rows a reading needs.
        rows: From the earliest start on; rows before a start tell what the estimate is worth.
        usual: The version's loss where it was judged, by the same metric.
        reliability: Of the estimates, as the reference says; None without an estimator.
        starts: Of the stretches.
        now: Labels known by then were given.
    """
    arrivals = _arrivals(problem, rows, now)
    found = []
    for start in sorted(starts):
        first = int(np.searchsorted(rows.times, _plain(start)))
        earlier, part = rows.rows(slice(0, first)), rows.rows(slice(first, None))
        stretch = _Stretch(problem, part, usual, start, now)
        read = (
            stretch.realised(arrivals),
            stretch.audited(earlier, reliability),
            stretch.estimated(reliability),
        )
        found += [one for one in read if one is not None]
    return found


@dataclass(frozen=True, eq=False)
class _Stretch:
    problem: Problem
    rows: AnsweredLately
    usual: UsualLoss
    start: datetime
    now: datetime

    def realised(self, arrivals: LabelArrivals | None) -> LossReading | None:
        """Return the loss that labels tell, each weighted by how rarely its like comes early."""
        known = ~np.isnan(self.rows.losses)
        losses = self.rows.losses[known]
        if len(losses) < self.problem.monitoring.min_rows:
            return None
        if arrivals is None or known.all():
            return LossReading.of(self.usual, losses, since=self.start)
        ages = (_plain(self.now) - self.rows.times) / SECOND
        weights = 1 / arrivals.chances(self.rows.scores[known], losses, ages=ages)
        share = weights / weights.sum()
        return LossReading.of_mean(
            self.usual,
            float((share * losses).sum()),
            rows=int(1 / (share**2).sum()),
            since=self.start,
            source="realised",
        )

    def audited(
        self, earlier: AnsweredLately, reliability: Reliability | None
    ) -> LossReading | None:
        """Return the loss that a random audit tells, sharpened by the estimate."""
        rows = self.rows
        due = rows.times + _span(self.problem.label.delay) <= _plain(self.now)
        drawn = due & ~np.isnan(rows.propensities)
        at = drawn & ~np.isnan(rows.losses)
        if at.sum() < max(LEAST_AUDITED, ANSWERED_AUDIT * drawn.sum()):
            return None
        weight, estimates = 0.0, np.zeros(len(rows.times))
        if reliability is not None and rows.estimates is not None:
            estimates = rows.estimates
            weight = power(
                *_audited_before(earlier),
                prior_slope=reliability.slope,
                prior_variance=reliability.estimate_variance,
            )
        found = audited_mean(
            rows.losses[at],
            estimates[at],
            all_estimates=estimates[due],
            propensities=rows.propensities[at],
            weight=weight,
            planned=int(drawn.sum()),
            prior_variance=0.0,
            prior_skewness=0.0,
            confidence=self.problem.gates.confidence,
        )
        gaps = rows.losses[at] - weight * estimates[at]
        spread = max(float(gaps.var(ddof=1)), _usual_spread(reliability, weight))
        share = 1 / rows.propensities[at] / (1 / rows.propensities[at]).sum()
        drawing = spread * max((share**2).sum() - 1 / due.sum(), 0.0)
        lasting = self.usual.row_variance * (1 / due.sum() + 1 / self.usual.rows)
        return LossReading(
            "audited",
            found.value,
            self.usual.mean,
            sqrt(drawing + lasting),
            min(self.usual.degrees, float(at.sum() - 1)),
            int(at.sum()),
            self.start,
        )

    def estimated(self, reliability: Reliability | None) -> LossReading | None:
        """Return the loss that is expected without labels."""
        estimates = self.rows.estimates
        if reliability is None or estimates is None:
            return None
        count = len(estimates)
        if count < self.problem.monitoring.min_rows:
            return None
        noise = reliability.gap_variance * reliability.design_effect
        # How the estimates themselves wander with the rows is no error: the loss does, too.
        error = sqrt(noise * (1 / count + 1 / reliability.rows))
        return LossReading(
            "estimated",
            float(estimates.mean()),
            self.usual.mean,
            error,
            self.usual.degrees,
            count,
            self.start,
        )


def _usual_spread(reliability: Reliability | None, weight: float) -> float:
    """Return the variance of a loss less its weighted estimate, as the reference says."""
    if reliability is None:
        return 0.0
    shared = 2 * weight * reliability.slope - weight**2
    return reliability.loss_variance - shared * reliability.estimate_variance


def _audited_before(rows: AnsweredLately) -> tuple[FloatArray, FloatArray]:
    at = ~np.isnan(rows.propensities) & ~np.isnan(rows.losses)
    estimates = np.zeros(len(rows.times)) if rows.estimates is None else rows.estimates
    return rows.losses[at], estimates[at]


def _arrivals(problem: Problem, rows: AnsweredLately, now: datetime) -> LabelArrivals | None:
    """Learn how labels arrive; None where all take the same time, or too few tell."""
    known = ~np.isnan(rows.losses)
    due = known & (rows.times + _span(problem.label.delay) <= _plain(now))
    delays = rows.delays[due]
    if len(delays) < FEWEST_PAST or known.all() or np.ptp(delays) == 0:
        return None
    return LabelArrivals.learn(rows.scores[due], rows.losses[due], delays)


def _span(duration: timedelta) -> np.timedelta64:
    return np.timedelta64(duration // timedelta(microseconds=1), "us")


def _plain(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
