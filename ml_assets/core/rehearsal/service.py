"""What watching a version that serves from some moment on tells.

All of it follows from the version, the moment and the time that is asked about, so policies that
serve the same version share it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.drift import decide_each, reach
from ml_assets.core.episodes import Episode, VerdictRow, episodes_of
from ml_assets.core.histograms import WindowCounts, window_start
from ml_assets.core.loss_reading import LossReading
from ml_assets.core.loss_readings import (
    SECOND,
    AnsweredLately,
    loss_readings,
    needs_estimates,
    starts_of,
)
from ml_assets.core.monitoring_reference import with_residuals
from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.answers import Answers
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.window import Window

FloatArray = npt.NDArray[np.float64]


@dataclass(eq=False)
class Service:
    """One version, from the moment it serves.

    Attributes:
        problem: Declares how it is watched.
        past: The rows it answers.
        version: Who answers.
        steps: All partitions of the rehearsal.
        since: From when it answers.
        truth: The last label of every row of the past; missing where none ever came.
        audit: Rows of the past that a random audit would have drawn.
    """

    problem: Problem
    past: Past
    version: Version
    steps: Sequence[Window]
    since: datetime
    truth: np.ndarray
    audit: npt.NDArray[np.bool_]
    _windows: dict[datetime, "_Window"] = field(default_factory=dict, init=False)
    _verdicts: dict[datetime, VerdictRow] = field(default_factory=dict, init=False)
    _seen: dict[datetime, tuple[VerdictRow, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._answers = Answers(
            self.problem, self.past, self.version, self.steps, self.since, self.truth
        )

    def losses(self, window: Window) -> FloatArray:
        """Return the losses of the rows of a window; NaN where the truth never came."""
        return self._answers.losses(self.past.between(window))

    def episodes(self, now: datetime) -> list[Episode]:
        """Return the episodes of drift that are known at a moment."""
        return self._episodes(self.verdicts(now))

    def ended(self, retired: datetime) -> tuple[tuple[VerdictRow, ...], list[Episode]]:
        """Return all verdicts and episodes of a version that answered up to a moment.

        The window it retired in is judged as well, when it is over, by the rows it answered: a
        version may serve for no longer than a window.
        """
        rows = (*self.verdicts(retired), *self._cut_short(retired))
        return rows, self._episodes(rows)

    def verdicts(self, now: datetime) -> tuple[VerdictRow, ...]:
        """Return the verdict on each window that is over, as labels known at ``now`` make it.

        Moments are asked in order of time; a moment that was asked before gives the same answer.
        """
        if now not in self._seen:
            self._watch(now)
            self._seen[now] = tuple(self._verdicts[start] for start in sorted(self._verdicts))
        return self._seen[now]

    def readings(
        self, now: datetime, *, opened: datetime | None, triggers: Sequence[str]
    ) -> list[LossReading]:
        """Return the loss of late, as live operation reads it.

        Args:
            now: Labels known by then are seen.
            opened: When the open episode of drift began, if there is one.
            triggers: What the policy listens to.
        """
        starts = {max(self.since, s) for s in starts_of(self.problem, now, opened=opened)}
        rows = self.past.between(Window(min(starts), max(min(starts), now)))
        known = self.past.labels_known(rows, now)
        at, count = known.rows - rows.start, rows.stop - rows.start
        losses, delays = np.full((2, count), np.nan)
        losses[at] = self._answers.losses_by(known)
        delays[at] = (known.known_at - self.past.times[known.rows]) / SECOND
        listened = needs_estimates(self.problem, triggers, labelled=len(at))
        estimator = self.version.estimator if listened else None
        answered = AnsweredLately(
            times=self.past.times[rows],
            scores=self._answers.scores(rows),
            losses=losses,
            delays=delays,
            propensities=np.where(self.audit[rows], self.audit.mean(), np.nan),
            estimates=None if estimator is None else self._answers.estimates(estimator, rows),
        )
        return loss_readings(
            self.problem,
            answered,
            usual=self.version.usual,
            reliability=None if estimator is None else estimator.reliability,
            starts=starts,
            now=now,
        )

    def learnable(self, change: datetime, now: datetime) -> int:
        """Count the rows from after a change and the evaluation's gap whose label is known."""
        gap = self.problem.evaluation.gap
        first = change + (self.problem.label.delay if gap is None else gap)
        rows = self.past.between(Window(first, max(first, now)))
        return len(self.past.labels_known(rows, now).rows)

    def seen(self, start: datetime, end: datetime, now: datetime) -> pd.DataFrame:
        """Return features, answers and residuals of some rows, as labels known at ``now`` tell."""
        rows = self.past.between(Window(start, end))
        known = self.past.labels_known(rows, now)
        truths = np.full(rows.stop - rows.start, None, dtype=object)
        truths[known.rows - rows.start] = known.labels
        return with_residuals(
            self.problem,
            self.past.frame.iloc[rows].reset_index(drop=True),
            truth=pd.Series(truths),
            predicted=pd.Series(self._answers.values(rows)),
        )

    def _watch(self, now: datetime) -> None:
        """Count the windows that are over anew where more is known, and judge from there on."""
        touched = [start for start in self._over(now) if self._count(start, now)]
        if not touched:
            return
        monitoring, reference = self.problem.monitoring, self.version.reference
        since = min(touched)
        first = reach(reference, monitoring, since=since, spoken=self._spoken(since))
        seen = [window.counts for begun, window in self._windows.items() if first <= begun]
        for verdict in decide_each(reference, seen, monitoring, since=since):
            self._verdicts[verdict.window_start] = VerdictRow.of(verdict)

    def _episodes(self, rows: Sequence[VerdictRow]) -> list[Episode]:
        return episodes_of(rows, problem=self.problem.name, version=self.version.name)

    def _cut_short(self, retired: datetime) -> list[VerdictRow]:
        """Judge the window that a version retired in, with the labels that its end knows."""
        monitoring, reference = self.problem.monitoring, self.version.reference
        length = reference.window
        start = window_start(retired, length)
        first = reach(reference, monitoring, since=start, spoken=self._spoken(start))
        begins = max(window_start(self.since, length), first)
        windows = []
        while begins < retired:
            span = Window(max(begins, self.since), min(begins + length, retired))
            if len(self.past.times[self.past.between(span)]):
                frame = self.seen(span.start, span.end, start + length)
                windows.append(WindowCounts.of(frame, reference.bins, start=begins))
            begins += length
        if not windows or windows[-1].start != start:
            return []
        last = decide_each(reference, windows, monitoring, since=start)
        return [VerdictRow.of(one) for one in last]

    def _over(self, now: datetime) -> list[datetime]:
        """Return the starts of the windows that are over and not yet all known."""
        length = self.version.reference.window
        start, starts = window_start(self.since, length), []
        while start + length <= now:
            if start not in self._windows or not self._windows[start].is_complete:
                starts.append(start)
            start += length
        return starts

    def _spoken(self, before: datetime) -> Iterator[datetime]:
        """Yield the starts of the windows before one that hold rows, newest first."""
        rows = self.past.between(Window(self.since, max(self.since, before)))
        while rows.start < rows.stop:
            newest = self.past.times[rows.stop - 1].item().replace(tzinfo=UTC)
            start = window_start(newest, self.version.reference.window)
            yield start
            rows = self.past.between(Window(self.since, max(self.since, start)))

    def _count(self, start: datetime, now: datetime) -> bool:
        """Count a window; say whether more is known than when it was last counted."""
        end = start + self.version.reference.window
        rows = self.past.between(Window(max(start, self.since), end))
        known = self.past.labels_known(rows, now)
        # A label that is corrected adds none, but is newer than any that was known before.
        told = len(known.rows), known.known_at.max() if len(known.rows) else None
        before = self._windows.get(start)
        if rows.start == rows.stop or (before is not None and before.told == told):
            return False
        frame = self.seen(max(start, self.since), end, now)
        counts = WindowCounts.of(frame, self.version.reference.bins, start=start)
        ever = int(pd.notna(self.truth[rows]).sum())
        is_complete = len(known.rows) >= ever and bool(known.is_last.all())
        self._windows[start] = _Window(counts, told, is_complete)
        return True


@dataclass(frozen=True)
class _Window:
    """A window as it was last counted.

    Attributes:
        counts: In the bins of the version's reference.
        told: How many labels were known, and since when the newest of them was.
        is_complete: Whether no more labels come, and none is corrected.
    """

    counts: WindowCounts
    told: tuple[int, np.datetime64 | None]
    is_complete: bool
