"""Whether to retrain now: every answer comes with its reason.

"Now" is the end of the newest observed window, never the wall clock, so that a replay of history
decides as live operation would have done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_assets.core.episodes import Episode
from ml_assets.core.problem import Retraining

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Training:
    """A retraining that was started.

    Attributes:
        at: When, in event time.
        episode: Episode that caused it; None for a regular one.
    """

    at: datetime
    episode: str | None = None


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to retrain, and why.

    Attributes:
        retrain: Whether a new cutoff is to be trained.
        reason: In plain words.
        episode: Episode the decision is about; None for a regular one.
        run_key: Names the run, so that it starts once; None if there is none to start.
    """

    retrain: bool
    reason: str
    episode: str | None = None
    run_key: str | None = None


def decide_retraining(
    retraining: Retraining,
    *,
    problem: str,
    champion: str,
    now: datetime,
    trainings: Sequence[Training],
    episode: Episode | None = None,
    tick: datetime | None = None,
) -> RetrainingDecision:
    """Decide on a retraining, for a regular tick or for an episode of drift.

    Args:
        retraining: The declared policy.
        problem: Name of the problem.
        champion: Version that answers now.
        now: End of the newest observed window.
        trainings: All earlier retrainings of the problem.
        episode: Newest episode, if any.
        tick: Moment of the regular schedule that is due, if any. It goes before the episode.
    """
    past = [training for training in trainings if training.at <= now]  # a replay knows no more
    spent = _spent(retraining, now=now, trainings=past)
    if tick is not None:
        reason = spent or f"The regular retraining of {tick:%Y-%m-%d %H:%M} UTC is due."
        key = None if spent else f"retrain/{problem}/regular/{tick:%Y-%m-%dT%H:%M}"
        return RetrainingDecision(spent is None, reason, None, key)
    if episode is None:
        return RetrainingDecision(False, "Nothing is due and nothing has drifted.")
    refusal = (
        _unfit(retraining, episode, champion=champion)
        or _not_helped(episode)
        or spent
        or _too_soon(retraining, now=now, trainings=past)
    )
    if refusal is not None:
        return RetrainingDecision(False, refusal, episode.id)
    reason = (
        f"Drift since {episode.opened:%Y-%m-%d %H:%M} UTC in {_listed(episode.columns)}, "
        f"seen in {_counted(episode.windows)}."
    )
    # An episode that outlives the cool-down is answered again: the challenger of the last time may
    # have lost for want of rows from after the change.
    answers = sum(training.episode == episode.id for training in past)
    key = f"retrain/{episode.id}" + (f"/{answers + 1}" if answers else "")
    return RetrainingDecision(True, reason, episode.id, key)


def _spent(retraining: Retraining, *, now: datetime, trainings: Sequence[Training]) -> str | None:
    """Return that the day's budget is used up; None if it is not."""
    today = [training for training in trainings if training.at > now - DAY]
    if len(today) < retraining.max_per_day:
        return None
    return (
        f"{len(today)} retrainings were started in the last 24 hours; "
        f"retraining.max_per_day allows {retraining.max_per_day}."
    )


def _unfit(retraining: Retraining, episode: Episode, *, champion: str) -> str | None:
    """Return why an episode, however bad, is not to be answered now; None if it is."""
    if not retraining.on_drift:
        return "retraining.on_drift is off: drift alerts, and does not retrain."
    if episode.version != champion:
        return f"The drift was seen by version {episode.version}; {champion} answers now."
    if not episode.is_open:
        return f"The drift ended at {episode.closed:%Y-%m-%d %H:%M} UTC."
    return None


def _not_helped(episode: Episode) -> str | None:
    """Return why a new model would not help; None if it would."""
    columns = _listed(episode.columns)
    match episode.severity:
        case "data_fault":
            return f"The data is at fault in {columns}: a model must not learn from it. Repair it."
        case "warn":
            return f"Only features moved, and not far ({columns}): watched, not retrained."
        case "retrain":
            return None


def _too_soon(
    retraining: Retraining, *, now: datetime, trainings: Sequence[Training]
) -> str | None:
    """Return what is left of the cool-down; the regular schedule keeps its own pace."""
    last = max((training.at for training in trainings), default=None)
    if last is None or now >= last + retraining.cooldown:
        return None
    return (
        f"The last retraining was at {last:%Y-%m-%d %H:%M} UTC; retraining.cooldown "
        f"({retraining.cooldown}) ends at {last + retraining.cooldown:%Y-%m-%d %H:%M} UTC."
    )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in columns)


def _counted(windows: int) -> str:
    return "1 window" if windows == 1 else f"{windows} windows"
