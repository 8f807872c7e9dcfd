"""Label drift is told from a change of the answers, also where few rows or few errors are seen."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr

from ml_assets.core.change.label_shift import label_shift
from ml_assets.core.change.proportions import Counts, counts, p_values
from ml_assets.core.change.rows import ComparedRows
from ml_assets_tests.core.change.cases import START

SEEDS = 20


def uniform(rng, rows, memory):
    """Return uniform numbers that remember."""
    steps = rng.normal(size=rows) * (1 - memory**2) ** 0.5
    return ndtr(lfilter([1], [1, -memory], steps)) if memory else rng.random(rows)


def answered(shares, rows, *, error, seed, extra=0.0, memory=0.0):
    """Return rows whose classes have these shares; the first class has some errors more."""
    rng, classes = np.random.default_rng(seed), len(shares)
    truth = np.searchsorted(np.cumsum(shares)[:-1], rng.random(rows))
    wrong = uniform(rng, rows, memory) < error + extra * (truth == 0)
    answer = (truth + wrong * rng.integers(1, classes, rows)) % classes
    frame = pd.DataFrame({"event_time": pd.date_range(START, periods=rows, freq="5min")})
    names = np.array([f"c{number}" for number in range(classes)], object)
    who = np.full(rows, "all", object)
    return ComparedRows(frame, (), (), who, names[answer], names[truth], wrong.astype(float))


def found(classes, error, before, since, *, seed, **how):
    """Compare rows of which a class has become more frequent."""
    even = np.full(classes, 1 / classes)
    more = np.where(np.arange(classes) == 0, even + 0.15, even - 0.15 / (classes - 1))
    extra = how.pop("extra", 0.0)
    early = answered(even, before, error=error, seed=seed, **how)
    late = answered(more, since, error=error, seed=seed + 1000, extra=extra, **how)
    return label_shift(early, late, seed=seed)


@pytest.mark.parametrize(
    ("classes", "error", "before", "since", "memory"),
    [
        (3, 0.02, 4000, 4000, 0),
        (3, 0.02, 4000, 1000, 0),
        (3, 0.02, 4000, 400, 0),
        (3, 0.02, 4000, 400, 0.9),
        (3, 0.02, 4000, 200, 0),
        (3, 0.2, 4000, 400, 0.9),
        (2, 0.01, 4000, 300, 0),
        (10, 0.2, 4000, 2000, 0),
    ],
)
def test_label_drift_alone_keeps_the_answers(classes, error, before, since, memory):
    shifts = [
        found(classes, error, before, since, seed=seed, memory=memory) for seed in range(SEEDS)
    ]
    assert sum(shift.moved for shift in shifts) >= SEEDS - 3
    assert sum(shift.answers_kept for shift in shifts) >= SEEDS - 3  # 1 in 20 is to be expected


@pytest.mark.parametrize(
    ("classes", "error", "before", "since", "extra"),
    [
        (2, 0.2, 4000, 1000, 0.12),
        (3, 0.02, 4000, 1000, 0.08),
        (5, 0.1, 4000, 2000, 0.3),
    ],
)
def test_other_answers_to_a_class_are_seen(classes, error, before, since, extra):
    shifts = [found(classes, error, before, since, seed=seed, extra=extra) for seed in range(SEEDS)]
    assert not any(shift.answers_kept for shift in shifts)


def test_the_same_classes_have_not_moved():
    even, moved = np.full(3, 1 / 3), 0
    for seed in range(SEEDS):
        early, late = (answered(even, 1000, error=0.1, seed=seed + n) for n in (0, 100))
        moved += label_shift(early, late, seed=seed).moved
    assert moved <= 3  # 1 in 20 is to be expected


def test_no_hit_among_few_trials_is_likely_where_hits_are_rare():
    independent = np.zeros(2)
    before = Counts(np.array([10.0, 400.0]), np.full(2, 1000.0), independent)
    since = Counts(np.zeros(2), np.full(2, 100.0), independent)
    rare, frequent = p_values(before, since)
    # None of ten drawn from 1100 is among the 100, counted half, and both tails.
    assert rare == pytest.approx(np.prod((1000 - np.arange(10)) / (1100 - np.arange(10))), rel=1e-9)
    assert frequent < 1e-9


def test_rows_that_depend_on_each_other_count_for_fewer():
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=3000, freq="5min").to_numpy("datetime64[us]")
    trials = np.ones((3000, 1))
    alone = (rng.random(3000) < 0.3).astype(float)
    tenfold = np.repeat(rng.random(300) < 0.3, 10).astype(float)
    independent, dependent = (
        counts(times, hits[:, None], trials, series=hits, seed=0).design_effects[0]
        for hits in (alone, tenfold)
    )
    assert 1 <= independent < 1.3
    assert 6 < dependent < 13  # 10; blocks of finite length see a little less
