"""Intervals hold the declared share of truths: static ones while nothing changes, adaptive ones."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.conformal import (
    ClassSets,
    NumberIntervals,
    calibrate_classes,
    calibrate_numbers,
    interval_score,
    intervals_from_json,
    lower_quantile,
    upper_quantile,
)
from ml_assets.core.errors import ServingError
from ml_assets.core.online_quantile import adapted, follow, followed

COVERAGE = 0.9


def draw(seed, rows, *, shift=0.0, spread=1.0):
    rng = np.random.default_rng(seed)
    predictions = rng.uniform(1, 10, rows)
    return predictions + shift + spread * 0.3 * predictions * rng.normal(size=rows), predictions


def static(intervals, truth, predictions):
    low, high = intervals.bounds(predictions)
    return float(((truth >= low) & (truth <= high)).mean())


def adaptive(intervals, truth, predictions, *, late=50):
    lows, highs = followed(intervals, intervals.scores(truth, predictions))
    known = np.maximum(np.arange(len(truth)) - late, 0)
    low, high = intervals.bounds(predictions, (lows[known], highs[known]))
    return float(((truth >= low) & (truth <= high)).mean())


@pytest.fixture(scope="module")
def intervals():
    return calibrate_numbers(*draw(0, 4000), coverage=COVERAGE)


def test_intervals_hold_the_declared_share_where_nothing_changes(intervals):
    found = [static(intervals, *draw(seed, 4000)) for seed in range(1, 11)]
    assert np.mean(found) == pytest.approx(COVERAGE, abs=0.015)


def test_intervals_are_wider_where_errors_are_larger(intervals):
    low, high = intervals.bounds(np.array([1.5, 9.5]))
    widths = high - low
    assert widths[1] > 3 * widths[0]


def test_one_size_is_kept_where_errors_do_not_follow_the_prediction():
    rng = np.random.default_rng(0)
    predictions = rng.uniform(1, 10, 4000)
    found = calibrate_numbers(predictions + rng.normal(size=4000), predictions, coverage=COVERAGE)
    widths = np.subtract(*found.bounds(np.array([1.5, 9.5]))[::-1])
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


@pytest.mark.parametrize(("shift", "spread"), [(1.5, 1.0), (0.0, 2.0), (-3.0, 1.5)])
def test_adaptive_intervals_hold_under_drift_where_static_ones_fail(intervals, shift, spread):
    drifted = [draw(seed, 6000, shift=shift, spread=spread) for seed in range(1, 6)]
    fixed = np.mean([static(intervals, *rows) for rows in drifted])
    followed_ = np.mean([adaptive(intervals, *rows) for rows in drifted])
    assert fixed < COVERAGE - 0.1
    assert followed_ == pytest.approx(COVERAGE, abs=0.02)


def test_adaptive_intervals_shrink_again_when_the_world_calms_down(intervals):
    rough, calm = draw(1, 3000, spread=3.0), draw(2, 6000, spread=0.5)
    scores = np.concatenate([intervals.scores(*rough), intervals.scores(*calm)])
    widest = adapted(intervals, scores[:3000])
    now = adapted(intervals, scores)
    assert now.high - now.low < 0.4 * (widest.high - widest.low)


@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=400, max_size=600),
    miss=st.sampled_from([0.05, 0.1, 0.3]),
)
@settings(max_examples=15, deadline=None)
def test_a_followed_quantile_misses_the_declared_share_whatever_the_scores(scores, miss):
    values = np.array(scores)
    rate, spread = 0.05, max(float(values.std()), 1e-9)
    path = follow(values, 0.0, miscoverage=miss, spread=spread, rate=rate)
    missed = (values > path[:-1]).mean()
    # The bound of a fixed step; the step may grow with the scores, and never falls below `spread`.
    reach = np.abs(values).max() + 20 * spread
    assert abs(missed - miss) <= (2 * reach + rate * 20 * spread) / (rate * spread * len(values))


@given(
    rows=st.integers(1, 40),
    classes=st.integers(2, 6),
    high=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_a_set_has_one_row_a_row_and_always_the_likeliest_class(rows, classes, high, seed):
    chances = np.random.default_rng(seed).dirichlet(np.ones(classes), rows)
    members = ClassSets(COVERAGE, high, 0.1, 100).members(chances)
    assert members.shape == chances.shape
    assert members[np.arange(rows), chances.argmax(axis=1)].all()


@pytest.mark.parametrize("seed", range(3))
def test_sets_hold_the_declared_share_of_classes(seed):
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.ones(4) * 0.7, 6000)
    truth = np.array([rng.choice(4, p=row) for row in chances])
    of_truth = chances[np.arange(6000), truth]
    sets = calibrate_classes(of_truth[:3000], coverage=COVERAGE)
    held = sets.members(chances[3000:])[np.arange(3000), truth[3000:]]
    assert held.mean() == pytest.approx(COVERAGE, abs=0.02)


def test_adaptive_sets_hold_when_the_model_turns_wrong():
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(3) * 0.5, 6000)
    honest = np.array([rng.choice(3, p=row) for row in chances])
    sets = calibrate_classes(chances[np.arange(6000), honest], coverage=COVERAGE)
    wrong = np.where(rng.random(6000) < 0.4, rng.integers(0, 3, 6000), honest)
    scores = 1 - chances[np.arange(6000), wrong]
    _, highs = followed(sets, scores)
    assert (scores > sets.high).mean() > 0.15
    assert (scores > highs[:-1]).mean() == pytest.approx(1 - COVERAGE, abs=0.02)


def test_too_few_rows_give_no_interval():
    assert calibrate_numbers(*draw(0, 20), coverage=COVERAGE) is None
    assert calibrate_classes(np.full(20, 0.5), coverage=COVERAGE) is None


@pytest.mark.parametrize(("coverage", "numbers", "classes"), [(0.9, 30, 30), (0.99, 199, 99)])
def test_rows_that_cannot_tell_the_tail_give_no_interval(coverage, numbers, classes):
    errors = np.random.default_rng(1).normal(size=numbers)
    assert calibrate_numbers(errors[1:], 0 * errors[1:], coverage=coverage) is None
    assert calibrate_numbers(errors, 0 * errors, coverage=coverage) is not None
    assert calibrate_classes(np.full(classes - 1, 0.8), coverage=coverage) is None
    assert calibrate_classes(np.full(classes, 0.8), coverage=coverage) is not None


def test_quantiles_leave_no_more_than_the_share_outside():
    scores = np.arange(1.0, 20.0)
    assert upper_quantile(scores, 0.05) == 19.0
    assert lower_quantile(scores, 0.05) == 1.0
    assert upper_quantile(scores, 0.5) == 10.0


def test_an_interval_score_is_lowest_at_the_true_quantiles():
    truth = np.random.default_rng(0).normal(size=20_000)

    def score(half):
        bound = np.full(len(truth), half)
        return interval_score(truth, -bound, bound, COVERAGE)

    assert score(1.645) < min(score(1.2), score(2.2))


def test_intervals_survive_their_file(intervals):
    sets = ClassSets(COVERAGE, 0.7, 0.2, 500)
    for one in (intervals, sets):
        assert intervals_from_json(json.loads(json.dumps(one.to_json()))) == one
    assert isinstance(intervals, NumberIntervals)
    with pytest.raises(ServingError, match="Build the release again"):
        intervals_from_json({"low": 1.0})
