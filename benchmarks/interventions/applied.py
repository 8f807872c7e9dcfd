"""What callers would have been told with interventions applied, in virtual time.

A version's answers are looked at when each monitoring window is over, as live operation does: the
truths known by then decide what the answers of the next window are corrected by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ml_assets.core.correction_evidence import LabelledRows, Loss
from ml_assets.core.histograms import EPOCH
from ml_assets.core.intervention import Intervention
from ml_assets.core.intervention_decision import decide_intervention
from ml_assets.core.metrics import FloatArray
from ml_assets.core.rehearsal.live import World
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.service import Service
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import Configuration, Predictions, predict
from ml_assets.core.window import Window
from ml_assets.storage.adjustments import rule_of
from ml_assets.storage.assurances import bounds_of
from ml_assets.storage.labelled_rows import MOST_ROWS


class RecordedWorld(World):
    """A world that remembers which version served from when, for one policy at a time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.served: list[tuple[Version, datetime]] = []

    def service(self, version: Version, since: datetime) -> Service:
        """Return the service of a version, and remember that it began."""
        self.served.append((version, since))
        return super().service(version, since)


@dataclass(frozen=True)
class Begun:
    """An intervention that began."""

    at: datetime
    kind: str


@dataclass(frozen=True, eq=False)
class Told:
    """What came of a stretch with interventions applied.

    Attributes:
        before: Loss of each row as the model alone said it, NaN where no truth came.
        after: Loss of each row as callers were told it.
        begun: Interventions, in order of time.
    """

    before: FloatArray
    after: FloatArray
    begun: tuple[Begun, ...]


def told(world: World, served: Sequence[tuple[Version, datetime]], end: datetime) -> Told:
    """Return what callers were told by versions that served one after another until an end."""
    parts = []
    for place, (version, since) in enumerate(served):
        until = served[place + 1][1] if place + 1 < len(served) else end
        parts.append(_of_version(world, version, Window(since, until)))
    return Told(
        np.concatenate([part.before for part in parts]),
        np.concatenate([part.after for part in parts]),
        tuple(one for part in parts for one in part.begun),
    )


def _of_version(world: World, version: Version, stretch: Window) -> Told:
    problem, past = world.problem, world.past
    rows = past.between(stretch)
    if rows.start == rows.stop:
        return Told(np.empty(0), np.empty(0), ())
    answers = _Answers.of(world, version, rows)
    rule = rule_of(problem, bounds_of(problem, past.known_by(version.cutoff)))
    after = answers.losses(None, slice(0, rows.stop - rows.start), rule.loss)
    before, begun = after.copy(), []
    current: Intervention | None = None
    length = problem.monitoring.window
    now = EPOCH + ((stretch.start - EPOCH) // length + 1) * length
    while now < stretch.end:
        decision = decide_intervention(
            answers.known(past, now), rule, intervals=None, current=current, now=now
        )
        if decision.outcome == "begin" and decision.intervention is not None:
            begun.append(Begun(now, decision.intervention.correction.kind))
        current = decision.intervention
        if current is not None:
            coming = past.between(Window(now, min(now + length, stretch.end)))
            part = slice(coming.start - rows.start, coming.stop - rows.start)
            after[part] = answers.losses(current, part, rule.loss)
        now += length
    return Told(before, after, tuple(begun))


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a version and its fallback say of some rows, and the truth of each."""

    rows: slice
    all: LabelledRows
    is_known: np.ndarray

    @classmethod
    def of(cls, world: World, version: Version, rows: slice) -> "_Answers":
        problem, past = world.problem, world.past
        inputs = past.frame.iloc[rows]
        said = predict(version.model, inputs, problem.task)
        back = predict(_fallback(world, version), inputs, problem.task)
        truth = past.last_labels()[rows]
        classes = {str(name): place for place, name in enumerate(said.classes)}
        codes = np.array(
            [
                np.nan if one is None else classes.get(str(one), np.nan) if classes else one
                for one in truth
            ],
            dtype=float,
        )
        known = np.isfinite(codes)
        labels = codes if not classes else np.where(known, codes, 0).astype(int)
        return cls(
            rows,
            LabelledRows(
                past.times[rows],
                np.full(len(codes), np.datetime64("NaT", "us")),
                labels,
                _said(said),
                # As in a release: a baseline of other classes cannot stand in.
                _said(back) if back.classes == said.classes else None,
            ),
            known,
        )

    def known(self, past: Past, now: datetime) -> LabelledRows:
        """Return the answered rows whose truth is known at a moment."""
        before = slice(self.rows.start, min(self.rows.stop, past.between(Window(now, now)).start))
        known = past.labels_known(before, now)
        at = known.rows - self.rows.start
        kept = self.is_known[at]
        at, known_at = at[kept][-MOST_ROWS:], known.known_at[kept][-MOST_ROWS:]
        found = self.all.rows(at)
        return LabelledRows(found.times, known_at, found.truth, found.said, found.fallback)

    def losses(self, current: Intervention | None, part: slice, loss: Loss) -> FloatArray:
        """Return the loss of each row of a part, NaN where no truth came."""
        rows = self.all.rows(part)
        said = rows.corrected(current.correction if current else None)
        return np.where(self.is_known[part], rows.losses(said, loss), np.nan)


def _said(found: Predictions) -> FloatArray:
    """Return predicted numbers, shape (n,), or probabilities, shape (n, classes)."""
    return found.values.astype(float) if found.probabilities is None else found.probabilities


def _fallback(world: World, version: Version) -> object:
    """Return the baseline that does best on the latest tenth of what the version learned from."""
    problem = world.problem
    rows = world.past.known_by(version.cutoff)
    latest = rows.rows(np.arange(len(rows.frame) * 9 // 10, len(rows.frame)))
    losses = {}
    for baseline in problem.baselines:
        model = world.fits(Configuration.of_baseline(baseline, problem.task), rows, seed=world.seed)
        said = predict(model, latest.frame, problem.task).values
        if problem.task == "regression":
            losses[np.abs(said - latest.labels.astype(float)).mean()] = model
        else:
            losses[(said.astype(str) != latest.labels.astype(str)).mean()] = model
    return losses[min(losses)]
