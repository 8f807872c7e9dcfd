"""Several policies on the same history, side by side."""

import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from ml_assets.core.errors import DataError
from ml_assets.core.one_thread import one_thread
from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.fits import Fidelity, Fits, Fitted
from ml_assets.core.rehearsal.live import Course, World, live_through
from ml_assets.core.rehearsal.oracle import ORACLE, oracle_course
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.policies import Policy
from ml_assets.core.side_by_side import Clock
from ml_assets.core.window import Window

Shelf = MutableMapping[str, Fitted]


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What every policy would have done.

    Attributes:
        problem: The declaration.
        steps: Partitions that were lived through.
        times: Event times of the answered rows in UTC, ascending.
        courses: One a policy.
        oracle: Told of the change and trained anew at every partition after it; None where no
            change is known.
        first: Version that served first.
        change: When the world changed, if that is known.
        fidelity: How closely the models resemble the real ones.
        seed: Of everything random.
    """

    problem: Problem
    steps: tuple[Window, ...]
    times: npt.NDArray[np.datetime64]
    courses: tuple[Course, ...]
    oracle: Course | None
    first: str
    change: datetime | None
    fidelity: Fidelity
    seed: int

    def course(self, policy: str) -> Course:
        """Return the course of a policy by its name."""
        return next(one for one in self.courses if one.policy == policy)


def rehearse(
    problem: Problem,
    past: Past,
    policies: Sequence[Policy],
    *,
    steps: Sequence[Window],
    seed: int,
    change: datetime | None = None,
    fidelity: Fidelity | None = None,
    shelf: Shelf | None = None,
    jobs: int = 1,
    clock: Clock = time.process_time,
) -> Rehearsal:
    """Live through some partitions under each policy; the first champion is trained before them.

    Args:
        problem: The declaration.
        past: All rows; at each moment only what was known then is used.
        policies: What is compared.
        steps: Partitions to live through, in order.
        seed: Of models, resamples and the audit.
        change: When the world changed, if that is known; an oracle is told of it.
        fidelity: How closely models resemble the real ones; by default what can be afforded.
        shelf: Where fitted models lie; processes can only share one that is on disk.
        jobs: Processes at once.
        clock: Tells the time in seconds.

    Raises:
        DataError: If there is nothing to live through, or too little before it to learn from.
    """
    rows = past.between(Window(steps[0].start, steps[-1].end)) if steps else slice(0, 0)
    if rows.start == rows.stop:
        message = f"{problem.name!r} has no row in the partitions to rehearse. Name others."
        raise DataError(message)
    models: Shelf = {} if shelf is None else shelf
    light = Fidelity.affordable(len(steps)) if fidelity is None else fidelity
    setting = _Setting(problem, past, tuple(steps), models, light, seed, clock)
    pieces = _pieces(policies, len(steps), change=change, jobs=jobs)
    lived = Parallel(n_jobs=min(jobs, len(pieces)), batch_size=1)(
        delayed(_lived)(setting, piece) for piece in pieces
    )
    courses = _joined([course for part, _ in lived for course in part])
    return Rehearsal(
        problem=problem,
        steps=tuple(steps),
        times=past.times[rows],
        courses=tuple(courses[policy.name] for policy in policies),
        oracle=courses.get(ORACLE),
        first=lived[0][1],
        change=change,
        fidelity=light,
        seed=seed,
    )


@dataclass(frozen=True, eq=False)
class _Setting:
    """What a process needs to live through a piece."""

    problem: Problem
    past: Past
    steps: tuple[Window, ...]
    shelf: Shelf
    fidelity: Fidelity
    seed: int
    clock: Clock

    def world(self) -> World:
        """Return the world that the policies of one process share."""
        fits = Fits(self.shelf, fidelity=self.fidelity, clock=self.clock)
        return World(self.problem, self.past, self.steps, fits, self.seed)


@dataclass(frozen=True)
class _Piece:
    """What one process lives through: policies that share most, or a stretch of one."""

    policies: tuple[Policy, ...]
    stretch: range
    change: datetime | None = None


def _pieces(
    policies: Sequence[Policy], steps: int, *, change: datetime | None, jobs: int
) -> list[_Piece]:
    # Regular retraining shares models with the others, and hardly any version.
    regular = tuple(one for one in policies if one.watches and one.ticks)
    watching = tuple(one for one in policies if one.watches and not one.ticks)
    whole = range(steps)
    pieces = [_Piece(group, whole) for group in (regular, watching) if group]
    for policy in policies:
        if policy.watches:
            continue
        if policy.asks_gates:
            pieces.append(_Piece((policy,), whole))
            continue
        # Without gates nothing hangs on what came before: several processes share the work.
        length = -(-steps // (2 * jobs))
        parts = [range(at, min(at + length, steps)) for at in range(0, steps, length)]
        pieces += [_Piece((policy,), part) for part in parts]
    return [*pieces, *([_Piece((), whole, change)] if change is not None else [])]


def _lived(setting: _Setting, piece: _Piece) -> tuple[list[Course], str]:
    with one_thread():
        world = setting.world()
        trial, _ = world.trial(world.steps[0].start, None, None)
        first = trial.version
        courses = [live_through(world, policy, first, piece.stretch) for policy in piece.policies]
        if piece.change is not None:
            courses.append(oracle_course(world, first, piece.change))
    return courses, first.name


def _joined(courses: Sequence[Course]) -> dict[str, Course]:
    """Put the stretches of each policy, which are in order, behind each other."""
    joined: dict[str, Course] = {}
    for course in courses:
        before = joined.get(course.policy)
        joined[course.policy] = course if before is None else before.followed_by(course)
    return joined
