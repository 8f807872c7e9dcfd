"""Alert episodes: one for each time that production drifts, however many windows it lasts.

A fault of the data that stays as it is may be the world's new state. So an episode knows since when
its faults have been the same: each window's are ones that are known already, of a size alike. A
window that was judged and shows no fault ends that time: a fault that comes back begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ml_assets.core.drift import DriftVerdict, Severity, State

QUIET_WINDOWS = 6
ALIKE = 2.0  # times as large as it was, or as small, is no other fault


@dataclass(frozen=True)
class FaultSeen:
    """One fault of the data in one window.

    Attributes:
        column: Name of the column.
        kind: What is wrong.
        effect: Its size.
    """

    column: str
    kind: str
    effect: float

    def is_like(self, other: "FaultSeen") -> bool:
        """Return whether two windows show the same fault."""
        small, large = sorted((abs(self.effect), abs(other.effect)))
        same = (self.column, self.kind) == (other.column, other.kind)
        return same and self.effect * other.effect >= 0 and large <= ALIKE * small


@dataclass(frozen=True)
class VerdictRow:
    """The part of a stored verdict that episodes are made from.

    Attributes:
        window_start: Start of the judged window.
        state: What was found.
        severity: What to do about it; None without drift.
        columns: Columns that drifted.
        faults: What is wrong with the data.
    """

    window_start: datetime
    state: State
    severity: Severity | None = None
    columns: tuple[str, ...] = ()
    faults: tuple[FaultSeen, ...] = ()

    @classmethod
    def of(cls, verdict: DriftVerdict) -> "VerdictRow":
        """Return the row of a verdict."""
        columns = tuple(sorted({finding.column for finding in verdict.drifted}))
        faults = tuple(
            FaultSeen(finding.column, finding.kind, finding.effect)
            for finding in verdict.drifted
            if finding.kind != "shift"
        )
        return cls(verdict.window_start, verdict.state, verdict.severity, columns, faults)


@dataclass(frozen=True)
class Episode:
    """A stretch of drift. It gives one alert, and at most one retraining.

    Attributes:
        id: Problem, version and opening: the same however often it is computed.
        problem: Name of the problem.
        version: Version that answered.
        opened: Start of the first window that drifted.
        last_drift: Start of the newest window that drifted.
        severity: That of the newest window that drifted.
        columns: Every column that drifted in it.
        windows: Windows that drifted.
        quiet: Quiet windows since the last drift.
        closed: Start of the window that closed it; None while it is open.
        faults: What is wrong with the data, as it was first seen.
        fault_first: Start of the first window that showed it so; None without a fault.
        fault_since: Start of the window since which every one that was judged showed it so, up to
            the last one that did; None without a fault.
        fault_windows: Windows since then that showed it.
    """

    id: str
    problem: str
    version: str
    opened: datetime
    last_drift: datetime
    severity: Severity
    columns: tuple[str, ...]
    windows: int = 1
    quiet: int = 0
    closed: datetime | None = None
    faults: tuple[FaultSeen, ...] = ()
    fault_first: datetime | None = None
    fault_since: datetime | None = None
    fault_windows: int = 0

    @property
    def is_open(self) -> bool:
        """Whether drift goes on, or ended too lately to be sure."""
        return self.closed is None


def episodes_of(rows: Sequence[VerdictRow], *, problem: str, version: str) -> list[Episode]:
    """Fold the verdicts of one version into episodes.

    An episode opens with the first drift and closes at the sixth quiet window in a row. A window
    with insufficient data is not quiet: it neither closes an episode nor keeps it open.

    Args:
        rows: One a window, in any order, from the version's first window on: an episode's name
            holds its opening, which must not be cut off.
        problem: Name of the problem.
        version: Version that answered in all of them.

    Returns:
        The episodes in order of time; only the last one can be open.
    """
    episodes: list[Episode] = []
    for row in sorted(rows, key=lambda row: row.window_start):
        current = episodes[-1] if episodes and episodes[-1].is_open else None
        match row.state, row.severity, current:
            case "drift", None, _:
                message = f"The verdict on {row.window_start} says drift and has no severity."
                raise ValueError(message)
            case "drift", str() as severity, None:
                episodes.append(_opened(row, severity, problem=problem, version=version))
            case "drift", str() as severity, Episode():
                episodes[-1] = _continued(current, row, severity)
            case "quiet", _, Episode():
                quiet = current.quiet + 1
                closed = row.window_start if quiet >= QUIET_WINDOWS else None
                episodes[-1] = replace(current, quiet=quiet, closed=closed)
            case _:
                continue
    return episodes


def _opened(row: VerdictRow, severity: Severity, *, problem: str, version: str) -> Episode:
    return Episode(
        id=f"{problem}/{version}/{row.window_start:%Y-%m-%dT%H}",
        problem=problem,
        version=version,
        opened=row.window_start,
        last_drift=row.window_start,
        severity=severity,
        columns=row.columns,
        faults=row.faults,
        fault_first=row.window_start if severity == "data_fault" else None,
        fault_since=row.window_start if severity == "data_fault" else None,
        fault_windows=int(severity == "data_fault"),
    )


def _continued(episode: Episode, row: VerdictRow, severity: Severity) -> Episode:
    return replace(
        _with_faults(episode, row) if severity == "data_fault" else episode,
        last_drift=row.window_start,
        severity=severity,
        columns=tuple(sorted({*episode.columns, *row.columns})),
        windows=episode.windows + 1,
        quiet=0,
    )


def _with_faults(episode: Episode, row: VerdictRow) -> Episode:
    """Return an episode whose faults are the same as before, or others from this window on."""
    new = [one for one in row.faults if not any(map(one.is_like, episode.faults))]
    if episode.fault_first is None or new:
        names = {(one.column, one.kind) for one in new}
        kept = [one for one in episode.faults if (one.column, one.kind) not in names]
        faults, first, lasted = (*kept, *new), row.window_start, False
    else:
        faults, first = episode.faults, episode.fault_first
        lasted = episode.severity == "data_fault" and not episode.quiet
    return replace(
        episode,
        faults=faults,
        fault_first=first,
        fault_since=episode.fault_since if lasted else row.window_start,
        fault_windows=episode.fault_windows + 1 if lasted else 1,
    )
