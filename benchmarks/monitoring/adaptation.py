"""What the declared policy's loss comes to after a change, beside an oracle that was told of it."""

from dataclasses import dataclass

import numpy as np

from benchmarks.monitoring.lives import DAY, END, ONSET, Life
from ml_assets.core.rehearsal.live import Course, live_through
from ml_assets.core.rehearsal.oracle import oracle_course
from ml_assets.core.rehearsal.policies import ALWAYS, DECLARED, NEVER, compared_policies
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.window import Window

SETTLED_DAYS = 5  # the last days, by which everybody has had the time to adapt


@dataclass(frozen=True)
class Adapted:
    """Mean absolute error in mm of one policy.

    Attributes:
        before: Before the change.
        between: From the change until the last days.
        after: In the last days.
        retrainings: Cutoffs trained after the first.
        promotions: Those that were let through.
    """

    before: float
    between: float
    after: float
    retrainings: int
    promotions: int


def adapted(life: Life, version: Version) -> dict[str, Adapted]:
    """Live through the same days under the declared policy, never, always, and as the oracle."""
    world = life.world
    policies = compared_policies(world.problem, world.steps, names=(NEVER, ALWAYS, DECLARED))
    everything = range(len(world.steps))
    courses = [live_through(world, policy, version, everything) for policy in policies]
    courses.append(oracle_course(world, version, ONSET))
    return {course.policy: _figures(life, course) for course in courses}


def _figures(life: Life, course: Course) -> Adapted:
    rows = life.past.between(Window(life.world.steps[0].start, END))
    times = life.past.times[rows]
    bounds = [
        np.datetime64(at.replace(tzinfo=None), "us") for at in (ONSET, END - SETTLED_DAYS * DAY)
    ]
    parts = np.searchsorted(times, bounds)
    before, between, after = (float(np.nanmean(p)) for p in np.split(course.losses, parts))
    return Adapted(before, between, after, len(course.retrainings), course.promotions)
