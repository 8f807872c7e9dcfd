"""An oracle that is told of a change at once, and learns from it at every partition."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from ml_assets.core.histories import adapting, earliest
from ml_assets.core.rehearsal.live import Course, Retrained, World
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import Configuration

ORACLE = "oracle"
MOST_TRAININGS = 14  # by then everybody has seen the change


def oracle_course(world: World, first: Version, change: datetime) -> Course:
    """Return the best of the ways to use the past, each trained anew at every partition.

    The configuration is that of the first champion; which way is best is known in hindsight.
    """
    tried = [_course(world, first, change, way) for way in range(len(_ways(world, first, change)))]
    return min(tried, key=lambda course: float(np.nanmean(course.losses)))


def _ways(world: World, first: Version, cutoff: datetime) -> list[Configuration]:
    age = max(cutoff - world.steps[0].start, world.problem.monitoring.window)
    return adapting([first.configuration], world.problem.candidates, age=age)


def _course(world: World, first: Version, change: datetime, way: int) -> Course:
    service = world.service(first, world.steps[0].start)
    losses, retrained = [], []
    for step in world.steps:
        losses.append(service.losses(step))
        if step.end <= change or len(retrained) == MOST_TRAININGS:
            continue
        rows = world.past.known_by(step.end, earliest(world.problem, step.end))
        if not (rows.frame["event_time"] >= change).any():
            continue  # nothing from after the change is known yet
        ways = adapting([first.configuration], world.problem.candidates, age=step.end - change)
        configuration = ways[min(way, len(ways) - 1)]
        before = world.fits.seconds
        model = world.fits(configuration, rows, seed=world.seed)
        name = f"{step.end:%Y%m%dT%H%M}-{configuration.name}"
        version = replace(
            first, name=name, configuration=configuration, model=model, cutoff=step.end
        )
        service = world.service(version, step.end)
        seconds = world.fits.seconds - before
        retrained.append(Retrained(step.end, None, name, None, True, seconds))
    return Course(ORACLE, np.concatenate(losses), (), tuple(retrained), (), 0)
