import numpy as np
import pytest

from ml_assets.core.block_length import automatic_length, block_length
from ml_assets.core.bootstrap import Blocks

HOUR = np.timedelta64(3600, "s").astype("timedelta64[us]")


def _hours(count):
    return np.datetime64("2024-01-01", "us") + np.arange(count) * HOUR


def _autoregressive(count, generator, *, phi):
    noise = generator.normal(size=count)
    series = np.empty(count)
    series[0] = noise[0] / np.sqrt(1 - phi**2)
    for at in range(1, count):
        series[at] = phi * series[at - 1] + noise[at]
    return series


def test_spread_of_independent_rows_is_that_of_the_mean():
    rows = np.random.default_rng(0).normal(5, 2, size=(4000, 1))
    drawn = Blocks.draw(_hours(4000), seed=0, length=1).means(rows)
    assert drawn.shape == (1000, 1)
    assert drawn.mean() == pytest.approx(rows.mean(), abs=0.01)
    assert drawn.std() == pytest.approx(2 / np.sqrt(4000), rel=0.1)


def test_same_seed_gives_the_same_bounds_and_another_seed_others():
    rows = np.random.default_rng(0).normal(size=(200, 2))
    first = Blocks.draw(_hours(200), seed=1).means(rows)
    assert np.array_equal(first, Blocks.draw(_hours(200), seed=1).means(rows))
    assert not np.array_equal(first, Blocks.draw(_hours(200), seed=2).means(rows))


def test_rows_of_one_moment_are_one_piece_of_evidence():
    hourly = np.random.default_rng(0).normal(size=(300, 1))
    alone = Blocks.draw(_hours(300), seed=0).means(hourly)
    together = Blocks.draw(np.repeat(_hours(300), 10), seed=0).means(np.repeat(hourly, 10, axis=0))
    assert together == pytest.approx(alone, abs=1e-12)


def test_a_constant_has_no_spread():
    blocks = Blocks.draw(_hours(100), seed=0)
    drawn = blocks.means(np.full((100, 1), 3.0))[:, 0]
    assert blocks.interval(drawn, confidence=0.95) == (3.0, 3.0)


@pytest.mark.parametrize(
    ("count", "phi", "most"), [(400, 0.0, 0.08), (672, 0.5, 0.08), (672, 0.8, 0.11)]
)
def test_bounds_err_about_as_often_as_declared(count, phi, most):
    generator = np.random.default_rng(3)
    missed = 0
    for seed in range(400):
        series = _autoregressive(count, generator, phi=phi)
        blocks = Blocks.draw(_hours(count), seed=seed, series=series, resamples=300)
        missed += blocks.lower_bound(blocks.means(series[:, None])[:, 0], level=0.05) > 0
    assert missed / 400 <= most


def test_blocks_grow_with_the_dependence_and_hold_a_day():
    generator = np.random.default_rng(0)
    assert automatic_length(generator.normal(size=600)) <= 4
    assert automatic_length(_autoregressive(600, generator, phi=0.9)) >= 15
    month = _hours(24 * 30).astype(np.int64)
    assert block_length(month) == 24
    assert block_length(month[:100]) == 5
    assert block_length(month[:2]) == 1


def test_few_blocks_give_wider_bounds_than_the_plain_percentile():
    rows = np.random.default_rng(0).normal(size=20)
    blocks = Blocks.draw(_hours(20), seed=0, resamples=4000)
    drawn = blocks.means(rows[:, None])[:, 0]
    low, high = blocks.interval(drawn, confidence=0.9)
    assert high - low > 1.15 * np.subtract(*np.quantile(drawn, [0.95, 0.05]))
