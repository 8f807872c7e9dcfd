"""Seeded chance: what wanders is smooth over midnight, and streams do not repeat each other."""

from datetime import timedelta

import numpy as np
import pytest

from ml_assets.core.window import Window
from ml_assets.plant import ORIGIN
from ml_assets.plant.chance import Stream, normals, wanders
from ml_assets.plant.grid import Grid


@pytest.fixture
def grid():
    window = Window(ORIGIN, ORIGIN + timedelta(days=40))
    return Grid(window, rigs=6, reading_every=timedelta(minutes=10), seed=0)


def test_what_wanders_is_continuous_over_midnight(grid):
    [values] = wanders(grid, channels=1)
    step = np.abs(np.diff(values.reshape(grid.rigs, -1), axis=1))
    # Between two knots the value is bounded by their length, so a step by it times the angle.
    assert step.max() < 6 * (np.pi / 2) / (grid.readings / 12)


def test_what_wanders_is_standard_normal_at_every_moment(grid):
    values = wanders(grid, channels=7)
    by_moment = values.std(axis=(0, 1, 2))
    assert values.mean() == pytest.approx(0, abs=0.05)
    assert by_moment == pytest.approx(np.ones(grid.readings), abs=0.12)


def test_rigs_days_and_streams_draw_different_numbers(grid):
    values = [normals(stream, grid, channels=1) for stream in (Stream.READING, Stream.LABEL)]
    drawn = np.concatenate([stream.ravel() for stream in values])
    assert np.unique(drawn).size == drawn.size
