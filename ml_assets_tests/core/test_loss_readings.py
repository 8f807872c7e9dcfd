"""What is read of a champion's loss, where the truth is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.estimation.loss_estimator import AnsweredRows, fit_loss_estimator
from ml_assets.core.loss_reading import LossReading, UsualLoss
from ml_assets.core.loss_readings import (
    AnsweredLately,
    loss_readings,
    needs_estimates,
    starts_of,
)
from ml_assets_tests.core.rehearsal.streams import problem

NOW = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = np.timedelta64(3600, "s")
DECLARED = problem(
    label={"column": "y", "delay": "P5D"},
    monitoring={"window": "P7D", "scales": [1, 4], "min_rows": 100},
)


def times(rows, *, every=timedelta(minutes=15)):
    step = np.timedelta64(every // timedelta(microseconds=1), "us")
    end = np.datetime64(NOW.replace(tzinfo=None), "us")
    return end - step * np.arange(rows, 0, -1)


def miss(generator, size):
    return np.abs(generator.normal(0, size))


def usual(generator):
    return UsualLoss.of(miss(generator, np.ones(4000)), times(4000))


def answered(losses, *, known=None, delays=None, drawn=None, estimates=None):
    rows = len(losses)
    at = np.full(rows, True) if known is None else known
    chances = np.full(rows, np.nan)
    if drawn is not None:
        chances[drawn] = drawn.mean()
    late = np.full(rows, 7200.0) if delays is None else delays
    return AnsweredLately(
        times=times(rows),
        scores=np.zeros(rows),
        losses=np.where(at, losses, np.nan),
        delays=np.where(at, late, np.nan),
        propensities=chances,
        estimates=estimates,
    )


def read(rows, usually, *, reliability=None):
    found = loss_readings(
        DECLARED,
        rows,
        usual=usually,
        reliability=reliability,
        starts=starts_of(DECLARED, NOW, opened=None),
        now=NOW,
    )
    return {(one.source, (NOW - one.since).days): one for one in found}


def test_a_usual_loss_of_nothing_is_a_small_one():
    """A classifier without a miss in its evaluation, half of whose answers are wrong now."""
    usually = UsualLoss.of(np.zeros(1440), times(1440))
    assert 0 < usually.mean < 1 / 1440
    risen = LossReading.of(usually, np.tile([0.0, 1.0], 400), since=NOW)
    assert risen.has_risen(level=0.001)
    assert risen.excess > 100
    assert not LossReading.of(usually, np.eye(1, 800)[0], since=NOW).has_risen(level=0.001)


def test_labels_of_bad_rows_that_come_first_do_not_raise_the_loss():
    generator = np.random.default_rng(0)
    losses = miss(generator, np.ones(2688))
    delays = np.where(losses > 1.5, 3600.0, 115 * 3600.0)
    moments = times(2688)
    known = moments + delays.astype("timedelta64[s]") <= np.datetime64(NOW.replace(tzinfo=None))
    found = read(answered(losses, known=known, delays=delays), usual(generator))
    reading = found["realised", 7]
    week = losses[-672:]
    assert week[known[-672:]].mean() > 1.1 * week.mean()
    assert reading.loss == pytest.approx(week.mean(), rel=0.06)
    assert not reading.has_risen(level=0.001)


def test_an_audit_proves_a_rise_that_no_other_label_shows():
    generator = np.random.default_rng(1)
    drawn = generator.random(2688) < 0.1
    usually = usual(generator)
    rows = answered(miss(generator, np.full(2688, 2.0)), known=drawn, drawn=drawn)
    found = read(rows, usually)
    assert ("realised", 7) not in found
    reading = found["audited", 28]
    assert reading.excess == pytest.approx(1.0, abs=0.3)
    assert reading.has_risen(level=0.001)


def test_an_audit_of_an_unchanged_world_proves_nothing():
    risen = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        drawn = generator.random(2688) < 0.05
        rows = answered(miss(generator, np.ones(2688)), known=drawn, drawn=drawn)
        risen += read(rows, usual(generator))["audited", 28].has_risen(level=0.01)
    assert risen <= 8  # a rate of 1 % gives more in 2 of 100,000 runs


def test_an_audit_that_is_hardly_answered_is_no_sample():
    generator = np.random.default_rng(2)
    drawn = generator.random(2688) < 0.1
    losses = miss(generator, np.ones(2688))
    rows = answered(losses, known=drawn & (losses > 0.5), drawn=drawn)
    assert not [source for source, _ in read(rows, usual(generator)) if source == "audited"]


@pytest.fixture(scope="module")
def estimator():
    """The miss is as large as the feature is."""
    generator = np.random.default_rng(3)
    size = np.exp(generator.normal(0, 0.5, 4000))
    features = pd.DataFrame({"size": size})
    losses = miss(generator, size)
    rows = AnsweredRows(features, np.zeros(4000))
    found = fit_loss_estimator(
        rows, losses, metric="mae", numeric=("size",), categorical=(), seed=0
    )
    return found, UsualLoss.of(losses, times(4000))


@pytest.mark.parametrize(("wider", "risen"), [(1.0, False), (1.8, True)])
def test_an_estimate_follows_the_rows_without_a_label(estimator, wider, risen):
    learned, usually = estimator
    generator = np.random.default_rng(4)
    size = wider * np.exp(generator.normal(0, 0.5, 2688))
    losses = miss(generator, size)
    expected = learned.losses(AnsweredRows(pd.DataFrame({"size": size}), np.zeros(2688)))
    rows = answered(losses, known=np.full(2688, False), estimates=expected)
    found = read(rows, usually, reliability=learned.reliability)
    assert {source for source, _ in found} == {"estimated"}
    assert found["estimated", 7].has_risen(level=0.001) == risen


def test_an_estimate_narrows_an_audit_and_does_not_blind_it(estimator):
    learned, usually = estimator
    generator = np.random.default_rng(5)
    size = np.exp(generator.normal(0, 0.5, 2688))
    expected = learned.losses(AnsweredRows(pd.DataFrame({"size": size}), np.zeros(2688)))
    drawn = generator.random(2688) < 0.1
    losses = miss(generator, 2 * size)  # features mean something else: the estimate cannot see it
    rows = answered(losses, known=drawn, drawn=drawn, estimates=expected)
    both = read(rows, usually, reliability=learned.reliability)
    alone = read(replace(rows, estimates=None), usually)
    assert not both["estimated", 28].has_risen(level=0.001)
    assert both["audited", 28].has_risen(level=0.001)
    assert both["audited", 28].error < alone["audited", 28].error


def test_estimates_are_made_where_somebody_listens_or_labels_are_lacking():
    assert not needs_estimates(DECLARED, ("drift", "realised"), labelled=100)
    assert needs_estimates(DECLARED, ("drift",), labelled=99)
    assert needs_estimates(DECLARED, ("audited",), labelled=1000)
