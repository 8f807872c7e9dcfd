"""The page of a rehearsal: what each policy would have done, and which one is picked."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ml_assets.core.rehearsal.comparison import PolicyComparison
from ml_assets.core.rehearsal.live import Course
from ml_assets.core.rehearsal.rehearse import Rehearsal
from ml_assets.reports.content import Score
from ml_assets.reports.demo_content import DemoEvent, ErrorSeries
from ml_assets.reports.formats import NONE, day, number, share
from ml_assets.reports.metrics import metric_text
from ml_assets.reports.page import html_page
from ml_assets.reports.plots import dot_and_whisker
from ml_assets.reports.timeline import NARROW, WIDE, timeline

ORACLES = {
    "told": "an oracle that is told of the change at once and learns from it at every partition",
    "hindsight": "the best of these policies in each monitoring window, known in hindsight only",
}


@dataclass(frozen=True)
class RetrainingRow:
    """A retraining of the picked policy, in words."""

    at: datetime
    why: str
    promoted: bool
    gates: str


def rehearsal_page(
    rehearsal: Rehearsal, comparison: PolicyComparison, *, confidence: float, made_at: datetime
) -> str:
    """Return a rehearsal as a self-contained HTML page."""
    problem = rehearsal.problem
    axis = loss_text(problem.primary_metric)
    picked = rehearsal.course(comparison.picked)
    events = _events(rehearsal, picked)
    pictures = {
        name: timeline(
            events, _series(comparison), axis=axis, highlighted=comparison.picked, width=width
        )
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    }
    pictures["loss"] = dot_and_whisker(
        scores_of(comparison, axis),
        title="Loss of each policy",
        axis=axis,
        highlighted=comparison.picked,
        reference=comparison.oracle_loss,
    )
    return html_page(
        "rehearsal.html.j2",
        problem=problem.name,
        made_at=made_at,
        confidence=confidence,
        verdict=verdict_of(comparison),
        lead=_lead(rehearsal),
        axis=axis,
        pictures=pictures,
        marks=f"promotions of {comparison.picked}, and the change where it is known",
        rows=int(np.isfinite(picked.losses).sum()),
        oracle=ORACLES[comparison.oracle],
        figures=comparison.figures,
        picked=comparison.picked,
        retrainings=_retrainings(picked),
        method=_method(rehearsal),
        none_text=NONE,
    )


def loss_text(metric: str) -> str:
    """Return what the loss of a metric is called; accuracy's is the share of misses."""
    return "Share of misses" if metric == "accuracy" else metric_text(metric).label


def verdict_of(comparison: PolicyComparison) -> str:
    """Say which policy is picked, and why."""
    best, least = comparison.figure(comparison.picked), comparison.figure(comparison.least)
    verdict = (
        f"{best.policy} is picked: loss {number(best.loss.value)} with "
        f"{best.retrainings} retrainings, {share(best.regret.value)} above the oracle."
    )
    if least.policy == best.policy:
        return verdict
    return (
        f"{verdict} With its cost {least.policy} came to less ({least.total:.3f}, not "
        f"{best.total:.3f}), but this past cannot tell the two apart, and regular retraining does "
        "not hang on the changes that it held."
    )


def _lead(rehearsal: Rehearsal) -> str:
    first, last = rehearsal.steps[0].start, rehearsal.steps[-1].end
    return (
        f"{len(rehearsal.steps)} partitions from {day(first)} to {day(last)}, lived through again "
        f"under {len(rehearsal.courses)} policies. {rehearsal.first} served first."
    )


def _method(rehearsal: Rehearsal) -> str:
    fidelity = rehearsal.fidelity
    parts = []
    if fidelity.rows is not None:
        parts.append(f"each model is fitted on {fidelity.rows:,} rows at most, spread evenly")
    if fidelity.trees is not None:
        parts.append(f"ensembles have {fidelity.trees} trees at most, boosted ones learn more each")
    light = f"To be fast, {' and '.join(parts)}. " if parts else "Models are made as in life. "
    return (
        f"{light}Each policy sees at every moment what was known then, through the functions that "
        f"sensors and jobs use. always trains the first configuration at each partition and asks "
        f"no gate. Seed {rehearsal.seed}."
    )


def scores_of(comparison: PolicyComparison, metric: str) -> list[Score]:
    """Return the loss of each policy as a score that can be drawn."""
    return [
        Score(
            model=one.policy,
            kind="candidate",
            metric=metric,
            value=one.loss.value,
            low=one.loss.low,
            high=one.loss.high,
            rows=0,
        )
        for one in comparison.figures
    ]


def _series(comparison: PolicyComparison) -> list[ErrorSeries]:
    return [
        ErrorSeries(policy=policy, times=comparison.starts, errors=tuple(map(float, means)))
        for policy, means in comparison.series.items()
    ]


def _events(rehearsal: Rehearsal, course: Course) -> list[DemoEvent]:
    found = [
        DemoEvent(time=one.at, what=f"promoted {one.version}", kind="promoted")
        for one in course.retrainings
        if one.promoted and len(course.retrainings) <= MOST_MARKS
    ]
    if rehearsal.change is not None:
        found.append(DemoEvent(time=rehearsal.change, what="the world changes", kind="change"))
    return sorted(found, key=lambda event: event.time)


MOST_MARKS = 30


def _retrainings(course: Course) -> list[RetrainingRow]:
    reasons = {one.at: one.decision.reason for one in course.decisions}
    return [
        RetrainingRow(
            one.at, reasons[one.at], one.promoted, one.gates.reason if one.gates else "not asked"
        )
        for one in course.retrainings
    ]
