"""Whether production still looks like the reference, and how bad it is if not.

A window is judged at several lengths, since a small change shows only in many rows. For each
length, Benjamini and Hochberg's procedure (1995) keeps the false discovery rate over the columns.
Significant is not enough: a change must also be large enough to matter. And it must last: it
counts when it shows in two of the last three windows, or at once when it is blatant.

Nothing is remembered between calls. The same windows give the same verdict after a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from ml_assets.core.errors import DataError
from ml_assets.core.findings import Finding, column_findings, plain_fault
from ml_assets.core.histograms import ColumnCounts, WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference

State = Literal["quiet", "insufficient", "drift"]
Severity = Literal["warn", "retrain", "data_fault"]

LARGE_EFFECT = 0.5  # a PSI of 0.25, by which practice calls a column changed
MEMORY = 3  # windows that are looked at together, of which CONFIRMED must agree
CONFIRMED = 2


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
            as ``history`` says. Earlier windows without rows may be left out.
        monitoring: The declared rule.

    Raises:
        DataError: If there is no window.
    """
    if not windows:
        message = "A verdict needs at least the window it is about; none was given."
        raise DataError(message)
    ordered = sorted(windows, key=lambda window: window.start)
    newest = ordered[-1]
    recent = [_tests(reference, ordered[:end], monitoring) for end in _last(ordered)]
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


def history(reference: Reference, monitoring: Monitoring) -> timedelta:
    """Return how far before the newest window's start a verdict looks."""
    return (max(monitoring.scales) + MEMORY - 2) * reference.window


def discovery_threshold(p_values: Sequence[float], rate: float) -> float:
    """Return the largest p-value that Benjamini and Hochberg's procedure accepts, else -1.

    Example:
        >>> discovery_threshold([0.9, 0.011, 0.02, 0.5], 0.05)
        0.02
        >>> discovery_threshold([0.9, 0.03], 0.05)
        -1.0
    """
    ordered = np.sort(np.asarray(p_values, dtype=float))
    passing = ordered <= rate * np.arange(1, len(ordered) + 1) / max(1, len(ordered))
    return float(ordered[passing][-1]) if passing.any() else -1.0


def _last(ordered: Sequence[WindowCounts]) -> list[int]:
    """Return where to cut the windows so that each of the newest ones comes last once."""
    spoken = [end for end, window in enumerate(ordered, start=1) if window.rows]
    return spoken[-MEMORY:] or [len(ordered)]


def _tests(
    reference: Reference, windows: Sequence[WindowCounts], monitoring: Monitoring
) -> tuple[Finding, ...]:
    """Test every column at every length, as seen from the last of ``windows``."""
    newest = windows[-1]
    faults = [
        fault
        for name, column in reference.columns.items()
        if (fault := plain_fault(name, column, newest, monitoring)) is not None
    ]
    faulty = {fault.column for fault in faults}
    found = list(faults)
    shorter = 0
    for scale in sorted(monitoring.scales):
        since = newest.start - (scale - 1) * reference.window
        part = [window for window in windows if window.start >= since]
        if len(part) > shorter:  # else there is nothing in it that was not judged already
            columns = [name for name in reference.columns if name not in faulty]
            found += _tests_of_length(reference, part, columns, scale, monitoring)
        shorter = len(part)
    return tuple(found)


def _tests_of_length(
    reference: Reference,
    part: Sequence[WindowCounts],
    columns: Sequence[str],
    scale: int,
    monitoring: Monitoring,
) -> list[Finding]:
    by_column = []
    for name in columns:
        seen = [window.columns[name] for window in part if name in window.columns]
        if seen:
            counts, column = _total(seen), reference.columns[name]
            findings = column_findings(name, column, counts, scale=scale, monitoring=monitoring)
            by_column += [findings] if findings else []
    best = [min(finding.p_value for finding in findings) for findings in by_column]
    rate = monitoring.false_discovery_rate / len(monitoring.scales)
    threshold = discovery_threshold(best, rate)
    return [
        replace(finding, is_significant=True) if finding.p_value <= threshold else finding
        for findings in by_column
        for finding in findings
    ]


def _total(seen: Sequence[ColumnCounts]) -> ColumnCounts:
    if len(seen) == 1:
        return seen[0]
    bins = np.sum([counts.bins for counts in seen], axis=0)
    return ColumnCounts(bins, sum(counts.missing for counts in seen))


def _lasting(
    tested: tuple[Finding, ...], recent: Sequence[tuple[Finding, ...]]
) -> tuple[Finding, ...]:
    """Return the findings of the newest window that lasted or are blatant."""
    hot = [{(f.column, f.kind) for f in findings if f.is_hot} for findings in recent]
    lasting: dict[tuple[str, str], Finding] = {}
    blatant = {(f.column, f.kind) for f in tested if f.is_blatant}
    for finding in sorted(tested, key=lambda f: f.p_value):
        key = (finding.column, finding.kind)
        confirmed = sum(key in window for window in hot) >= CONFIRMED
        if finding.is_hot and (confirmed or key in blatant):
            lasting.setdefault(key, finding)
    return tuple(lasting.values())


def _severity(drifted: Sequence[Finding]) -> Severity | None:
    """Say what to do. Broken data comes first: a model must not learn from it."""
    if not drifted:
        return None
    if any(finding.kind != "shift" for finding in drifted):
        return "data_fault"
    of_the_model = any(finding.role != "feature" for finding in drifted)
    large = any(finding.effect >= LARGE_EFFECT for finding in drifted)
    return "retrain" if of_the_model or large else "warn"
