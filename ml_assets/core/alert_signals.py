"""Signals for alerts, made from what the parts of the system found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from ml_assets.core.alert import ExpectedLoss, Severity, Signal
from ml_assets.core.drift import Severity as DriftSeverity
from ml_assets.core.episodes import Episode
from ml_assets.core.lasting import Stretch

SHOWN = 5
SEVERITIES: Mapping[DriftSeverity, Severity] = {
    "warn": "warn",
    "retrain": "critical",
    "data_fault": "critical",
}


@dataclass(frozen=True)
class ColumnChange:
    """The clearest finding on one column in an episode.

    Attributes:
        column: Name of the column.
        kind: What was tested.
        effect: Size: standard deviations for a shift, else a share of the rows.
        p_value: Chance of it without a change.
    """

    column: str
    kind: str
    effect: float
    p_value: float

    def __str__(self) -> str:
        size = abs(self.effect)
        match self.kind:
            case "shift":
                return f"{self.column!r} moved by {size:.2g} standard deviations"
            case "missing_rate":
                word = "more" if self.effect > 0 else "fewer"
                return f"{self.column!r} is missing in {size:.2%} {word} of the rows"
            case "unseen_category":
                return f"{size:.2%} of {self.column!r} are categories never seen before"
            case "absent_column":
                return f"{self.column!r} holds no value"
            case "frozen_column":
                return f"{self.column!r} stands still"
            case _:
                return f"{self.column!r}: {self.kind.replace('_', ' ')} of {size:.2g}"


def drift_signal(
    episode: Episode,
    changes: Sequence[ColumnChange],
    *,
    answers: str | None,
    now: datetime,
    repair: str | None = None,
) -> Signal:
    """Return the signal of an episode of drift.

    Args:
        episode: The episode.
        changes: The clearest finding of each of its columns.
        answers: Version that answers now: the episode of another one is over.
        now: End of the newest observed window.
        repair: What a fault of the data asks for; None once it is taken for the world as it is.
    """
    ordered = sorted(changes, key=lambda change: change.p_value)
    columns = [change.column for change in ordered] or list(episode.columns)
    fault = episode.severity == "data_fault"
    settled = " It is taken for the world as it is now." if fault else ""
    found = "; ".join(map(str, ordered[:SHOWN])) or f"{', '.join(columns)} changed"
    replaced = answers is not None and answers != episode.version
    ended_by = f"{answers} answers instead of {episode.version}" if replaced else ""
    if episode.closed is not None:
        replaced, ended_by = False, "six windows in a row were quiet"
    return Signal(
        key=episode.id,
        kind="data_fault" if fault else "drift",
        severity=SEVERITIES[episode.severity],
        title=f"{'faulty data in' if fault else 'drift in'} {_listed(columns)}",
        what=(
            f"{found}{_rest(len(ordered))}, under version {episode.version}."
            f"{f' {repair}' if repair else settled}"
        ),
        sure=_sure(episode, ordered),
        since=episode.opened,
        until=max(now, episode.opened) if replaced else episode.closed,
        ended_by=ended_by,
        next_command=(
            look_at(episode.problem, columns, episode.opened)
            if fault
            else f"ml-assets status {episode.problem}"
        ),
    )


def performance_signal(
    problem: str, version: str, stretch: Stretch, *, loss: ExpectedLoss
) -> Signal:
    """Return the signal of days on which a version lost more than it used to.

    Args:
        problem: Name of the problem.
        version: Version that answered.
        stretch: The days.
        loss: Its loss on the last of the days, and before it where it was judged.
    """
    usual = loss.before or 0.0
    size = f"{loss.value / usual - 1:.0%} more" if usual > 0 else "more"
    return Signal(
        key=f"performance/{problem}/{version}/{stretch.first}",
        kind="performance",
        severity="critical",
        title=f"{loss.metric} is worse",
        what=(
            f"{version} loses {size} than where it was judged: {loss.metric} {loss.value:.4g} "
            f"({loss.origin}) on {stretch.last}, {usual:.4g} there."
        ),
        sure=_in_a_row(stretch, loss.confidence),
        since=_midnight(stretch.first),
        until=_end(stretch),
        ended_by="the loss is the usual one again" if stretch.better else "",
        loss=loss,
        next_command=f"ml-assets report {problem}",
    )


def coverage_signal(
    problem: str,
    version: str,
    stretch: Stretch,
    *,
    covered: float,
    declared: float,
    confidence: float,
) -> Signal:
    """Return the signal of days on which intervals held fewer truths than declared.

    Args:
        problem: Name of the problem.
        version: Version that answered.
        stretch: The days.
        covered: Share of truths inside on the last of them.
        declared: The share that is declared.
        confidence: Of the interval by which each day was called worse.
    """
    return Signal(
        key=f"coverage/{problem}/{version}/{stretch.first}",
        kind="coverage",
        severity="warn",
        title="intervals hold too few truths",
        what=(
            f"{covered:.1%} of the truths lie inside what {version} told on {stretch.last}; "
            f"{declared:.1%} is declared."
        ),
        sure=_in_a_row(stretch, confidence),
        since=_midnight(stretch.first),
        until=_end(stretch),
        ended_by="intervals hold the declared share again" if stretch.better else "",
        next_command=f"ml-assets intervene {problem}",
    )


def failure_signal(
    problem: str, *, job: str, key: str, what: str, at: datetime, again: str
) -> Signal:
    """Return the signal of a failed run.

    Args:
        problem: Name of the problem.
        job: Job that failed.
        key: Names the first of its failures in a row.
        what: What the run said.
        at: When it failed.
        again: Command that runs it again.
    """
    return Signal(
        key=key,
        kind="failed_run",
        severity="critical",
        title=f"{job} fails",
        what=what,
        sure="Certain: the run ended as failed.",
        since=at,
        next_command=again or f"ml-assets status {problem}",
    )


def move_signal(
    problem: str, *, key: str, severity: Severity, title: str, what: str, sure: str, at: datetime
) -> Signal:
    """Return the signal of a move of a challenger in traffic, which happens once."""
    return Signal(
        key=key,
        kind="rollback" if severity != "info" else "traffic",
        severity=severity,
        title=title,
        what=what,
        sure=sure,
        since=at,
        until=at,
        lasts=False,
        next_command=f"ml-assets status {problem}",
    )


def pause_signal(problem: str, *, until: datetime, what: str, at: datetime) -> Signal:
    """Return the signal of retrainings that came to nothing and pause.

    Args:
        problem: Name of the problem.
        until: End of the pause, which names it.
        what: What was decided, and why.
        at: End of the newest observed window.
    """
    return Signal(
        key=f"paused/{problem}/{until:%Y-%m-%dT%H:%M}",
        kind="circuit_breaker",
        severity="critical",
        title="retraining is paused",
        what=what,
        sure="Certain: the gates let none of them through.",
        since=at,
        until=until,
        ended_by="the pause is over",
        lasts=False,
        next_command=f"ml-assets report {problem}",
    )


def look_at(problem: str, columns: Sequence[str], since: datetime) -> str:
    """Return the command that shows a logged column by the hour.

    Example:
        >>> from datetime import UTC
        >>> look_at("plant", ["period_s"], datetime(2026, 3, 1, tzinfo=UTC))[:26]
        'ml-assets sql plant "SELEC'
    """
    named = [column for column in columns if column.isidentifier()]
    if not named:
        return f"ml-assets sql {problem}"
    query = (
        "SELECT date_trunc('hour', event_time) AS hour, count(*) AS answered, "
        f"count(features::JSON ->> '{named[0]}') AS present, "
        f"count(DISTINCT features::JSON ->> '{named[0]}') AS different "
        f"FROM prediction_log WHERE event_time >= '{since:%Y-%m-%d %H:%M}Z' GROUP BY 1 ORDER BY 1"
    )
    return f'ml-assets sql {problem} "{query}"'


def _in_a_row(stretch: Stretch, confidence: float) -> str:
    return (
        f"Every day from {stretch.first} to {stretch.last} that has labels says so, each with "
        f"{confidence:.0%} confidence."
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _end(stretch: Stretch) -> datetime | None:
    return None if stretch.better is None else _midnight(stretch.better)


def _sure(episode: Episode, changes: Sequence[ColumnChange]) -> str:
    windows = "1 window" if episode.windows == 1 else f"{episode.windows} windows"
    if not changes:
        return f"Seen in {windows}."
    least = max(changes[0].p_value, 1e-300)
    return (
        f"{changes[0].column!r} would look like this without a change with a chance of at most "
        f"{least:.0e}, after correction for the tests of the column; seen in {windows}."
    )


def _listed(columns: Sequence[str]) -> str:
    names = ", ".join(columns[:3])
    return names if len(columns) <= 3 else f"{names} and {len(columns) - 3} more"


def _rest(count: int) -> str:
    return f"; {count - SHOWN} more columns" if count > SHOWN else ""
