"""Whether to retrain now: every answer comes with its reason.

"Now" is the end of the newest observed window, never the wall clock, so that a replay of history
decides as live operation would have done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_assets.core.circuit_breaker import failures_in_a_row, paused_until
from ml_assets.core.episodes import Episode
from ml_assets.core.loss_reading import LossReading
from ml_assets.core.problem import Gates, Retraining
from ml_assets.core.repair import to_repair
from ml_assets.core.retraining_history import LEARN_AND_JUDGE, Training
from ml_assets.core.worth import Worth, worth_of

DAY = timedelta(days=1)
MONTH = timedelta(days=30)
LEVEL = 0.001  # chance that one look at a loss takes noise for a rise


@dataclass(frozen=True)
class RetrainingDecision:
    """Whether to retrain, and why.

    Attributes:
        retrain: Whether a new cutoff is to be trained.
        reason: In plain words.
        episode: Name of what the decision is about; None for a regular one.
        run_key: Names the run, so that it starts once; None if there is none to start.
        change: When the world changed, if something did: challengers also learn from the rows
            since then alone, and are compared with the champion on them.
        worth: What was weighed, if anything was.
        paused_until: End of the pause that failed retrainings have earned, if there is one.
    """

    retrain: bool
    reason: str
    episode: str | None = None
    run_key: str | None = None
    change: datetime | None = None
    worth: Worth | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True)
class _Cause:
    """Why one would retrain."""

    name: str
    reason: str
    change: datetime


def decide_retraining(
    retraining: Retraining,
    *,
    problem: str,
    champion: str,
    now: datetime,
    trainings: Sequence[Training],
    episode: Episode | None = None,
    readings: Sequence[LossReading] = (),
    tick: datetime | None = None,
    next_tick: datetime | None = None,
    gates: Gates | None = None,
    learnable: int | None = None,
    accepted: datetime | None = None,
) -> RetrainingDecision:
    """Decide on a retraining, for a regular tick, an episode of drift or a loss that has risen.

    Args:
        retraining: The declared policy.
        problem: Name of the problem.
        champion: Version that answers now.
        now: End of the newest observed window.
        trainings: All earlier retrainings of the problem.
        episode: Newest episode, if any.
        readings: The champion's loss of late, as far as it is known; several stretches may be read.
        tick: Moment of the regular schedule that is due, if any. It goes before all else.
        next_tick: When the next regular retraining is due, if there are any.
        gates: How often a wrong promotion is to be expected, and how bad it may be.
        learnable: Labelled rows from after the episode's opening, less the gap of the evaluation;
            None if nobody counted.
        accepted: End of the newest window that was observed when a person last said that the data
            are as they have to be; None if nobody has.
    """
    past = sorted((one for one in trainings if one.at <= now), key=lambda one: one.at)
    spent = _spent(retraining, now=now, trainings=past)
    if tick is not None:
        reason = spent or f"The regular retraining of {tick:%Y-%m-%d %H:%M} UTC is due."
        key = None if spent else f"retrain/{problem}/regular/{tick:%Y-%m-%dT%H:%M}"
        return RetrainingDecision(spent is None, reason, None, key)
    repair = None if episode is None else to_repair(retraining, episode, now=now, accepted=accepted)
    cause = _of_drift(retraining, episode, champion=champion, repair=repair)
    if isinstance(cause, str):
        risen = _of_loss(retraining, readings, champion=champion)
        if risen is None or (repair is not None and episode is not None and episode.is_open):
            return RetrainingDecision(False, cause, episode.id if episode else None)
        cause = risen
    refusal = (
        spent
        or _too_soon(retraining, now=now, trainings=past)
        or _too_early(gates or Gates(), learnable)
    )
    if refusal is not None:
        return RetrainingDecision(False, refusal, cause.name)
    pause = paused_until(retraining, past)
    if pause is not None and now < pause:
        return RetrainingDecision(
            False, _paused(past, pause), cause.name, change=cause.change, paused_until=pause
        )
    worth = _worth(
        retraining, gates or Gates(), cause, readings, now=now, trainings=past, next_tick=next_tick
    )
    if worth is not None and not worth.pays:
        return RetrainingDecision(False, f"{cause.reason} {worth}", cause.name, worth=worth)
    # An episode that outlives the cool-down is answered again: the challenger of the last time may
    # have lost for want of rows from after the change.
    answers = sum(training.episode == cause.name for training in past)
    key = f"retrain/{cause.name}" + (f"/{answers + 1}" if answers else "")
    reason = cause.reason if worth is None else f"{cause.reason} {worth}"
    return RetrainingDecision(True, reason, cause.name, key, cause.change, worth)


def _of_drift(
    retraining: Retraining, episode: Episode | None, *, champion: str, repair: str | None
) -> _Cause | str:
    """Return drift as a cause, or why it is none."""
    if episode is None:
        return "Nothing is due, nothing has drifted and no loss has provably risen."
    refusal = _unfit(retraining, episode, champion=champion) or repair or _not_helped(episode)
    if refusal is not None:
        return refusal
    reason = (
        f"Drift since {episode.opened:%Y-%m-%d %H:%M} UTC in {_listed(episode.columns)}, "
        f"seen in {_counted(episode.windows)}."
    )
    if episode.severity != "data_fault":
        return _Cause(episode.id, reason, episode.opened)
    since = episode.fault_since or episode.opened
    reason += (
        f" What looked like a fault of the data is the same since {since:%Y-%m-%d %H:%M} UTC, or "
        "was accepted: it is taken for the world as it is now."
    )
    return _Cause(episode.id, reason, since)


def _of_loss(
    retraining: Retraining, readings: Sequence[LossReading], *, champion: str
) -> _Cause | None:
    """Return the clearest proven rise of a loss that the policy listens to."""
    heard = [one for one in readings if one.source in retraining.triggers]
    risen = [one for one in heard if one.has_risen(level=LEVEL / len(heard))]
    if not risen:
        return None
    reading = max(risen, key=lambda one: (one.loss - one.usual) / max(one.error, 1e-300))
    reason = (
        f"The {reading.source} loss since {reading.since:%Y-%m-%d %H:%M} UTC is {reading.loss:.4g} "
        f"on {reading.rows} rows, {reading.usual:.4g} was usual."
    )
    return _Cause(f"{reading.source}/{champion}", reason, reading.since)


def _spent(retraining: Retraining, *, now: datetime, trainings: Sequence[Training]) -> str | None:
    """Return that the budget of the day or month is used up; None if it is not."""
    for span, allowed, words, name in (
        (DAY, retraining.max_per_day, "24 hours", "max_per_day"),
        (MONTH, retraining.max_per_month, "30 days", "max_per_month"),
    ):
        recent = [training for training in trainings if training.at > now - span]
        if len(recent) >= allowed:
            return (
                f"{len(recent)} retrainings were started in the last {words}; "
                f"retraining.{name} allows {allowed}."
            )
    return None


def _unfit(retraining: Retraining, episode: Episode, *, champion: str) -> str | None:
    """Return why an episode, however bad, is not to be answered now; None if it is."""
    if "drift" not in retraining.triggers:
        return "retraining.triggers does not name drift: it alerts, and does not retrain."
    if episode.version != champion:
        return f"The drift was seen by version {episode.version}; {champion} answers now."
    if not episode.is_open:
        return f"The drift ended at {episode.closed:%Y-%m-%d %H:%M} UTC."
    return None


def _not_helped(episode: Episode) -> str | None:
    """Return why a new model would not help; None if it would."""
    if episode.severity != "warn":
        return None
    return f"Only features moved, and not far ({_listed(episode.columns)}): watched, not retrained."


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


def _too_early(gates: Gates, learnable: int | None) -> str | None:
    """Return that the rows since the change do not suffice yet; None if they do."""
    needed = LEARN_AND_JUDGE * gates.min_rows
    if learnable is None or learnable >= needed:
        return None
    return (
        f"{learnable} labelled rows are from after the change; {needed} are needed, half to learn "
        f"from and half to judge on (gates.min_rows is {gates.min_rows})."
    )


def _paused(trainings: Sequence[Training], until: datetime) -> str:
    return (
        f"{failures_in_a_row(trainings)} retrainings in a row were not promoted: paused until "
        f"{until:%Y-%m-%d %H:%M} UTC. Read the evaluation report of the last one."
    )


def _worth(
    retraining: Retraining,
    gates: Gates,
    cause: _Cause,
    readings: Sequence[LossReading],
    *,
    now: datetime,
    trainings: Sequence[Training],
    next_tick: datetime | None,
) -> Worth | None:
    """Weigh the retraining by the reading that is most to be believed; None if there is none."""
    # Labels and audits go before estimates, which cannot see that the same rows mean something
    # else now.
    about = [one for one in readings if one.since >= cause.change]
    measured = [one for one in about if one.source != "estimated"]
    believed = min(measured or about, key=lambda one: one.error, default=None)
    if believed is None:
        return None
    recoveries = [one.recovery for one in trainings if one.recovery is not None]
    return worth_of(
        retraining, gates, believed, now=now, recoveries=recoveries, next_tick=next_tick
    )


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in columns)


def _counted(windows: int) -> str:
    return "1 window" if windows == 1 else f"{windows} windows"
