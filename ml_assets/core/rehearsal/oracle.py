"""An oracle that is told of a change at once, and learns from it at every partition."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from ml_assets.core.histories import RECENT, WEIGHTED, adapting, earliest
from ml_assets.core.rehearsal.live import Course, Retrained, World
from ml_assets.core.rehearsal.version import Version

ORACLE = "oracle"
MOST_TRAININGS = 14  # by then everybody has seen the change


def oracle_course(world: World, first: Version, change: datetime) -> Course:
    """Return the best of the ways to use the past, each trained anew at every partition.

    The configuration is that of the first champion; which way is best is known in hindsight.
    """
    tried = [_course(world, first, change, way) for way in ("", WEIGHTED, RECENT)]
    return min(tried, key=lambda course: float(np.nanmean(course.losses)))


def _course(world: World, first: Version, change: datetime, way: str) -> Course:
    service = world.service(first, world.steps[0].start)
    losses, retrained = [], []
    for step in world.steps:
        losses.append(service.losses(step))
        if step.end <= change or len(retrained) == MOST_TRAININGS:
            continue
        before = world.fits.seconds
        version = _trained(world, first, step.end, change, way)
        if version is None:
            continue  # nothing from after the change is known yet
        service = world.service(version, step.end)
        seconds = world.fits.seconds - before
        retrained.append(Retrained(step.end, None, version.name, None, True, seconds))
    return Course(ORACLE, np.concatenate(losses), (), tuple(retrained), (), 0)


def _trained(
    world: World, first: Version, cutoff: datetime, change: datetime, way: str
) -> Version | None:
    rows = world.past.known_by(cutoff, earliest(world.problem, cutoff))
    if not (rows.frame["event_time"] >= change).any():
        return None
    ways = adapting([first.configuration], world.problem.candidates, rows=rows, change=change)
    by_name = {one.name: one for one in ways}
    chosen = by_name.get(first.configuration.name + way, first.configuration)
    model = world.fits(chosen, rows, seed=world.seed)
    name = f"{cutoff:%Y%m%dT%H%M}-{chosen.name}"
    return replace(first, name=name, configuration=chosen, model=model, cutoff=cutoff)
