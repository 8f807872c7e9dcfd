"""One policy, lived through partition by partition: the loop that sensors and jobs make in life."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.decision import Decision
from ml_assets.core.episodes import Episode
from ml_assets.core.policy import RetrainingDecision, decide_retraining
from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.audit import audited_rows
from ml_assets.core.rehearsal.fits import Fits
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.policies import Policy
from ml_assets.core.rehearsal.service import Service
from ml_assets.core.rehearsal.version import Trial, Version, hold_trial, trained_anew
from ml_assets.core.retraining_history import Training, recovery_of
from ml_assets.core.window import Window

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decided:
    """A decision of the policy, also the one to do nothing."""

    at: datetime
    decision: RetrainingDecision


@dataclass(frozen=True)
class Retrained:
    """A retraining and what came of it.

    Attributes:
        at: Its cutoff.
        episode: Name of what caused it; None for a regular one.
        version: Who was weighed.
        gates: What the gates said; None where they were not asked.
        promoted: Whether it serves from then on.
        seconds: Time that its models took.
    """

    at: datetime
    episode: str | None
    version: str
    gates: Decision | None
    promoted: bool
    seconds: float


@dataclass(frozen=True, eq=False)
class Course:
    """What one policy would have done.

    Attributes:
        policy: Its name.
        losses: Of the rows of the rehearsed stretch, in order; NaN where the truth never came.
        decisions: One a partition.
        retrainings: In order of time.
        episodes: Of all versions that served, in order of opening.
        windows: Windows that were judged.
        drifted: Starts of those that drifted, of all versions that served.
    """

    policy: str
    losses: FloatArray
    decisions: tuple[Decided, ...]
    retrainings: tuple[Retrained, ...]
    episodes: tuple[Episode, ...]
    windows: int
    drifted: tuple[datetime, ...] = ()

    def followed_by(self, later: Self) -> Self:
        """Return the course with what came after it."""
        return replace(
            self,
            losses=np.concatenate([self.losses, later.losses]),
            decisions=(*self.decisions, *later.decisions),
            retrainings=(*self.retrainings, *later.retrainings),
            episodes=(*self.episodes, *later.episodes),
            windows=self.windows + later.windows,
            drifted=(*self.drifted, *later.drifted),
        )

    @property
    def seconds(self) -> float:
        """Compute of all retrainings after the first training."""
        return sum(one.seconds for one in self.retrainings)

    @property
    def promotions(self) -> int:
        """Retrainings whose model was let through."""
        return sum(one.promoted for one in self.retrainings)


@dataclass(eq=False)
class World:
    """What all policies share: the past, the first champion, and everything made once.

    Attributes:
        problem: The declaration.
        past: All rows.
        steps: Partitions that are lived through, in order.
        fits: Makes models.
        seed: Of models, resamples and the audit.
    """

    problem: Problem
    past: Past
    steps: Sequence[Window]
    fits: Fits
    seed: int
    _services: dict[tuple[int, datetime], Service] = field(default_factory=dict, init=False)
    _trials: dict[tuple[object, ...], tuple[Trial, float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._truth = self.past.last_labels()
        self._audit = audited_rows(self.problem, self.past, seed=self.seed)

    def service(self, version: Version, since: datetime) -> Service:
        """Return the service of a version from a moment on."""
        key = (id(version), since)
        if key not in self._services:
            self._services[key] = Service(
                self.problem, self.past, version, self.steps, since, self._truth, self._audit
            )
        return self._services[key]

    def trial(
        self, cutoff: datetime, champion: Version | None, change: datetime | None
    ) -> tuple[Trial, float]:
        """Return the trial at a cutoff, and the seconds its models take."""
        return self._once(
            (cutoff, id(champion), change),
            lambda: hold_trial(
                self.problem,
                self.past,
                self.fits,
                cutoff=cutoff,
                champion=champion,
                change=change,
                seed=self.seed,
            ),
        )

    def anew(self, cutoff: datetime, like: Version) -> tuple[Trial, float]:
        """Return the trial that is none: a configuration trained at a cutoff, unasked."""
        return self._once(
            (cutoff, like.configuration.name),
            lambda: trained_anew(
                self.problem, self.past, self.fits, cutoff=cutoff, like=like, seed=self.seed
            ),
        )

    def _once(self, key: tuple[object, ...], made: Callable[[], Trial]) -> tuple[Trial, float]:
        if key not in self._trials:
            before = self.fits.seconds
            trial = made()
            self._trials[key] = trial, self.fits.seconds - before
        return self._trials[key]


def live_through(
    world: World, policy: Policy, first: Version, stretch: range | None = None
) -> Course:
    """Return what a policy would have done with a first champion, partition by partition.

    Args:
        world: What policies share.
        policy: What is followed.
        first: Version that serves first.
        stretch: Partitions to live through, by number; all by default. Only a policy that asks no
            gates can begin in the middle.
    """
    steps = world.steps if stretch is None else world.steps[stretch.start : stretch.stop]
    serving = first
    if steps[0] != world.steps[0]:
        serving = world.anew(steps[0].start, first)[0].version
    life = _Life(world, policy, first, serving, steps[0].start)
    for step in steps:
        life.live(step)
    return life.course(steps[-1].end)


class _Life:
    """The state of one policy between partitions."""

    def __init__(
        self, world: World, policy: Policy, first: Version, serving: Version, since: datetime
    ) -> None:
        self.world, self.policy, self.first = world, policy, first
        self.service = world.service(serving, since)
        self.losses: list[FloatArray] = []
        self.decisions: list[Decided] = []
        self.retrainings: list[Retrained] = []
        self.answered: list[Training] = []
        self.episodes: list[Episode] = []
        self.windows = 0
        self.drifted: list[datetime] = []

    def live(self, step: Window) -> None:
        """Answer a partition, look at it when it is over, and decide."""
        self.losses.append(self.service.losses(step))
        now = step.end
        decision = self._decide(step)
        self.decisions.append(Decided(now, decision))
        if decision.retrain:
            self._retrain(now, decision)

    def course(self, end: datetime) -> Course:
        """Return what happened until an end."""
        self._close(end)
        return Course(
            policy=self.policy.name,
            losses=np.concatenate(self.losses),
            decisions=tuple(self.decisions),
            retrainings=tuple(self.retrainings),
            episodes=tuple(self.episodes),
            windows=self.windows,
            drifted=tuple(self.drifted),
        )

    def _decide(self, step: Window) -> RetrainingDecision:
        policy, now = self.policy, step.end
        episode, readings, learnable = None, [], None
        if policy.watches:
            seen = self.service.episodes(now)
            episode = seen[-1] if seen else None
            opened = episode.opened if episode is not None and episode.is_open else None
            triggers = policy.retraining.triggers
            # As the sensor does: labels are read only where they can matter.
            if opened is not None or set(triggers) - {"drift"}:
                readings = self.service.readings(now, opened=opened, triggers=triggers)
                learnable = None if opened is None else self.service.learnable(opened, now)
        return decide_retraining(
            policy.retraining,
            problem=self.world.problem.name,
            champion=self.service.version.name,
            now=now,
            trainings=self.answered,
            episode=episode,
            readings=readings,
            tick=policy.tick_between(step.start, now),
            next_tick=policy.next_tick(now),
            gates=self.world.problem.gates,
            learnable=learnable,
        )

    def _retrain(self, now: datetime, decision: RetrainingDecision) -> None:
        serving = self.service.version
        if self.policy.asks_gates:
            trial, seconds = self.world.trial(now, serving, decision.change)
        else:
            trial, seconds = self.world.anew(now, self.first)
        gates = trial.decision
        promoted = gates is None or gates.promote
        self.retrainings.append(
            Retrained(now, decision.episode, trial.version.name, gates, promoted, seconds)
        )
        excess = decision.worth.excess if decision.worth else None
        if promoted:
            self._close(now)
            self.service = self.world.service(trial.version, now)
        self.answered.append(
            Training(
                now,
                decision.episode,
                promoted,
                recovery_of(excess, trial.gain, promoted=promoted),
            )
        )

    def _close(self, now: datetime) -> None:
        if self.policy.watches:
            verdicts, episodes = self.service.ended(now)
            self.episodes += episodes
            self.windows += len(verdicts)
            self.drifted += [row.window_start for row in verdicts if row.state == "drift"]
