"""Whether production still looks like the reference, and how bad it is if not.

A window is judged at several lengths, since a small change shows only in many rows. What counts as
rare follows from the declared budget of false alarms. Rare is not enough: a change must also be
large enough to matter. And it must last: the newest window and one of the two before it must lean
the same way on their own, unless the change is blatant. Before it are windows that had rows,
however long ago: weekly batches are judged as hourly traffic is.

Nothing is remembered between calls. The same windows give the same verdict after a restart.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Literal

from ml_assets.core.errors import DataError
from ml_assets.core.false_alarms import EARLIER, levels
from ml_assets.core.findings import (
    Finding,
    column_findings,
    plain_fault,
    weights_of,
)
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference
from ml_assets.core.running_counts import RunningCounts
from ml_assets.core.units import unit_change

State = Literal["quiet", "insufficient", "drift"]
Severity = Literal["warn", "retrain", "data_fault"]

LARGE_EFFECT = 0.5  # a PSI of 0.25, by which practice calls a column changed
MEMORY = EARLIER + 1  # windows that are looked at together


@dataclass(frozen=True)
class DriftVerdict:
    """What was found in the newest window.

    Attributes:
        window_start: Its start.
        rows: Its rows.
        state: Insufficient where there was too little data to judge any column, which is not quiet.
        severity: What to do: watch, retrain, or repair the data. None without drift.
        drifted: What lasted or was blatant: of each column and kind, the least likely by chance.
        tested: Everything that was tested, hot or not.
        unjudged: Columns whose values were too few to judge, at every length.
    """

    window_start: datetime
    rows: int
    state: State
    severity: Severity | None
    drifted: tuple[Finding, ...]
    tested: tuple[Finding, ...]
    unjudged: tuple[str, ...]


def decide(
    reference: Reference, windows: Sequence[WindowCounts], monitoring: Monitoring
) -> DriftVerdict:
    """Judge the newest of some windows.

    Args:
        reference: Frozen with the version that answered in these windows.
        windows: Counts in the reference's bins, each as long as the reference's window, as far back
            as ``reach`` says. Earlier windows without rows may be left out.
        monitoring: The declared rule.

    Raises:
        DataError: If there is no window.
    """
    if not windows:
        message = "A verdict needs at least the window it is about; none was given."
        raise DataError(message)
    newest = max(window.start for window in windows)
    return decide_each(reference, windows, monitoring, since=newest)[-1]


def decide_each(
    reference: Reference,
    windows: Sequence[WindowCounts],
    monitoring: Monitoring,
    *,
    since: datetime,
) -> list[DriftVerdict]:
    """Judge every window from ``since`` on as ``decide`` would when it was the newest.

    Testing each window once and many at a time, it is much faster than deciding one by one.
    """
    ordered = sorted(windows, key=lambda window: window.start)
    spoken = [place for place, window in enumerate(ordered) if window.rows]
    asked = [place for place, window in enumerate(ordered) if window.start >= since]
    recent = {place: _recent(spoken, place) for place in asked}
    needed = sorted({earlier for places in recent.values() for earlier in places})
    tests = _tests(reference, ordered, needed, monitoring)
    return [
        _verdict(reference, ordered[place], [tests[earlier] for earlier in recent[place]])
        for place in asked
    ]


def reach(
    reference: Reference, monitoring: Monitoring, *, since: datetime, spoken: Iterable[datetime]
) -> datetime:
    """Return the start of the earliest window that verdicts look at.

    Args:
        reference: Its windows are judged.
        monitoring: The declared rule.
        since: Start of the first window that is judged.
        spoken: Starts of the windows before it that had rows, newest first; only the first few are
            taken.
    """
    earliest = min(islice(spoken, MEMORY - 1), default=since)
    return earliest - (max(monitoring.scales) - 1) * reference.window


def _recent(spoken: list[int], place: int) -> list[int]:
    """Return the places of the newest windows with rows up to ``place``."""
    return [earlier for earlier in spoken if earlier <= place][-MEMORY:] or [place]


def _verdict(
    reference: Reference, newest: WindowCounts, recent: Sequence[tuple[Finding, ...]]
) -> DriftVerdict:
    tested = recent[-1] if newest.rows else ()
    drifted = _lasting(tested, recent)
    judged = {finding.column for finding in tested if finding.kind != "missing_rate"}
    return DriftVerdict(
        window_start=newest.start,
        rows=newest.rows,
        state="drift" if drifted else "quiet" if judged else "insufficient",
        severity=_severity(drifted),
        drifted=drifted,
        tested=tested,
        unjudged=tuple(name for name in reference.columns if name not in judged),
    )


def _tests(
    reference: Reference,
    ordered: Sequence[WindowCounts],
    places: list[int],
    monitoring: Monitoring,
) -> dict[int, tuple[Finding, ...]]:
    """Test every column at every length, as seen from each of some windows."""
    spent = levels(
        monitoring,
        reference.window,
        weights=weights_of(reference.columns),
        most=reference.windows,
    )
    counts = RunningCounts.of(reference, ordered)
    lengths = {place: counts.lengths(place, spent.scales, reference.window) for place in places}
    tested: dict[int, list[Finding]] = {place: [] for place in places}
    for name, column in reference.columns.items():
        whole = []
        for place in places:
            fault = plain_fault(name, column, ordered[place], monitoring)
            if fault is None:
                whole.append(place)
            else:
                tested[place].append(fault)
        runs = [(scale, begin, place) for place in whole for scale, begin in lengths[place].items()]
        for found, at in counts.stretches(name, runs):
            tests = column_findings(name, column, found, levels=spent, monitoring=monitoring)
            for place, findings in zip(at, tests, strict=True):
                tested[place] += findings
    return {
        place: tuple(_with_units(reference, ordered[place], findings))
        for place, findings in tested.items()
    }


def _with_units(
    reference: Reference, newest: WindowCounts, findings: Iterable[Finding]
) -> Iterable[Finding]:
    """Call a blatant shift that a change of unit explains by its name, at every length."""
    findings = list(findings)
    units = {}
    for finding in findings:
        if finding.kind == "shift" and finding.is_blatant and finding.role == "feature":
            known = reference.columns[finding.column].counts
            window = newest.columns[finding.column]
            units[finding.column] = unit_change(window, known, rows=finding.effective_rows)
    for finding in findings:
        unit = units.get(finding.column) if finding.kind == "shift" else None
        yield replace(finding, kind="unit_change", detail=unit) if unit else finding


def _lasting(
    tested: tuple[Finding, ...], recent: Sequence[tuple[Finding, ...]]
) -> tuple[Finding, ...]:
    """Return the findings of the newest window that last or are blatant."""
    leaning = [_leaning(findings) for findings in recent]
    earlier = set().union(*leaning[:-1])
    lasting: dict[tuple[str, str], Finding] = {}
    blatant = {(f.column, f.kind) for f in tested if f.is_blatant and f.is_hot}
    for finding in sorted(tested, key=lambda f: f.p_value):
        key = (finding.column, finding.kind)
        confirmed = key in earlier and key in leaning[-1]
        if finding.is_hot and (confirmed or key in blatant):
            lasting.setdefault(key, finding)
    return tuple(lasting.values())


def _leaning(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    """Return what leans at the shortest length that could be judged, by column and kind."""
    shortest: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=lambda f: f.scale):
        shortest.setdefault((finding.column, finding.kind), finding)
    return {key for key, finding in shortest.items() if finding.is_leaning}


def _severity(drifted: Sequence[Finding]) -> Severity | None:
    """Say what to do. Broken data comes first: a model must not learn from it."""
    if not drifted:
        return None
    if any(finding.kind != "shift" for finding in drifted):
        return "data_fault"
    of_the_model = any(finding.role != "feature" for finding in drifted)
    large = any(finding.effect >= LARGE_EFFECT for finding in drifted)
    return "retrain" if of_the_model or large else "warn"
