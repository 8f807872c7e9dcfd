"""Seeded chance, a stream for each rig and day, so that any day can be made again on its own."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from enum import IntEnum, unique

import numpy as np

from ml_assets.plant.grid import Floats, Grid

KNOTS_PER_DAY = 12


@unique
class Stream(IntEnum):
    """What the numbers are drawn for; a new use takes a new stream and leaves the others alone."""

    BUILD = 0
    SEVERITY = 1
    GAUGE = 2
    KNOTS = 3
    LOAD = 4
    READING = 5
    INSTRUMENT = 6
    FAULT = 7
    LABEL = 8
    DELAY = 9


def of_rig(stream: Stream, *, seed: int, rig: int) -> np.random.Generator:
    """Return the generator of what stays the same for a rig."""
    return np.random.default_rng([seed, stream, rig])


def normals(stream: Stream, grid: Grid, *, channels: int) -> Floats:
    """Return independent standard normal values of shape (channels, rigs, days, readings)."""
    shape = (channels, grid.readings)
    return _drawn(stream, grid, grid.days, lambda chance: chance.standard_normal(shape))


def uniforms(stream: Stream, grid: Grid, *, channels: int, readings: int | None = None) -> Floats:
    """Return independent values in [0, 1) of shape (channels, rigs, days, readings)."""
    shape = (channels, readings or grid.readings)
    return _drawn(stream, grid, grid.days, lambda chance: chance.random(shape))


def wanders(grid: Grid, *, channels: int) -> Floats:
    """Return values that wander slowly and are standard normal at every moment.

    Between two knots a and b the value is a cos(f) + b sin(f), f from 0 to a right angle: it is
    continuous, also over midnight, and its variance is one everywhere.

    Returns:
        Values of shape (channels, rigs, days, readings).
    """
    shape = (channels, KNOTS_PER_DAY)
    days = [*grid.days, grid.days[-1] + timedelta(days=1)]
    knots = _drawn(Stream.KNOTS, grid, days, lambda chance: chance.standard_normal(shape))
    knots = np.concatenate([knots[:, :, :-1], knots[:, :, 1:, :1]], axis=3)
    position = np.arange(grid.readings) * (KNOTS_PER_DAY / grid.readings)
    before = position.astype(int)
    angle = (position - before) * (np.pi / 2)
    return knots[..., before] * np.cos(angle) + knots[..., before + 1] * np.sin(angle)


def _drawn(
    stream: Stream,
    grid: Grid,
    days: Sequence[date],
    draw: Callable[[np.random.Generator], Floats],
) -> Floats:
    values = [
        [draw(np.random.default_rng([grid.seed, stream, rig, day.toordinal()])) for day in days]
        for rig in range(grid.rigs)
    ]
    return np.moveaxis(np.array(values), 2, 0)
