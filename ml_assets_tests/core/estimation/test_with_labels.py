"""Figures that rest on labels: early ones corrected, audited ones valid at every look."""

import numpy as np
import pytest

from ml_assets.core.anytime import best_ratio
from ml_assets.core.estimation.audited import LOSS_SKEWNESS, audited_mean, power
from ml_assets.core.estimation.early_labels import SMALLEST, LabelArrivals
from ml_assets.core.estimation.realised import realised_loss

DAY = 86_400.0


def arriving(generator, count):
    """Rows whose label comes the sooner the worse the answer was, as complaints do."""
    losses = generator.exponential(size=count)
    delays = generator.exponential(DAY / (0.25 + losses))
    return generator.normal(size=count), losses, delays


def times(count):
    return np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(60_000_000, "us")


def test_labels_that_come_early_are_corrected_where_the_plain_mean_is_wrong():
    generator = np.random.default_rng(0)
    arrivals = LabelArrivals.learn(*arriving(generator, 20_000))
    plain, corrected = [], []
    for _ in range(20):
        scores, losses, delays = arriving(generator, 2000)
        age = np.full(2000, 0.5 * DAY)
        come = delays <= age
        chances = arrivals.chances(scores[come], losses[come], ages=age)
        told = {"confidence": 0.95, "seed": 0}
        plain.append(realised_loss(losses[come], times(2000)[come], **told))
        corrected.append(
            realised_loss(losses[come], times(2000)[come], weights=1 / chances, **told)
        )
    assert np.mean([one.value for one in plain]) > 1.35
    assert not any(one.low <= 1.0 <= one.high for one in plain)
    assert np.mean([one.value for one in corrected]) == pytest.approx(1.0, abs=0.08)
    assert np.mean([one.low <= 1.0 <= one.high for one in corrected]) >= 0.7


def test_a_row_as_old_as_any_delay_weighs_one():
    arrivals = LabelArrivals.learn(*arriving(np.random.default_rng(1), 3000))
    old = np.full(5, 1000 * DAY)
    found = arrivals.chances(np.zeros(5), np.ones(5), ages=old)
    assert found == pytest.approx(1.0, abs=0.01)
    assert (arrivals.chances(np.zeros(5), np.ones(5), ages=np.zeros(5)) >= SMALLEST).all()


def test_few_values_are_strata_of_their_own():
    generator = np.random.default_rng(2)
    misses = (generator.random(2000) < 0.3).astype(float)
    delays = np.where(misses > 0, 1.0, 10.0)
    arrivals = LabelArrivals.learn(np.zeros(2000), misses, delays)
    found = arrivals.chances(np.zeros(2), np.array([1.0, 0.0]), ages=np.full(2, 5.0))
    assert found[0] > 0.99
    assert found[1] == SMALLEST


def test_a_mean_without_rows_and_one_with_few_have_no_interval():
    nothing = realised_loss(np.empty(0), times(0), confidence=0.95, seed=0)
    few = realised_loss(np.ones(3), times(3), confidence=0.95, seed=0)
    assert np.isnan([nothing.value, nothing.low, few.low]).all()
    assert few.value == 1.0


def population(generator, *, drifted):
    """A day of rows whose losses an estimator knows well, until the world changes."""
    expected = 0.2 + generator.exponential(size=400)
    misses = np.abs(generator.normal(size=400))
    return expected * (1 + drifted) * misses + drifted, expected


def audited(losses, estimates, drawn, *, weight=0.8, planned=None):
    return audited_mean(
        losses[drawn],
        estimates[drawn],
        all_estimates=estimates,
        weight=weight,
        planned=planned or len(drawn),
        prior_variance=1.0,
        prior_skewness=LOSS_SKEWNESS,
        confidence=0.95,
    )


@pytest.mark.parametrize("drifted", [0.0, 1.0])
@pytest.mark.parametrize("rows", [20, 60])
def test_the_audited_interval_holds_the_truth_at_all_looks_whatever_changed(drifted, rows):
    generator = np.random.default_rng(5)
    held, always = 0, 0
    for _ in range(250):
        losses, estimates = population(generator, drifted=drifted)
        drawn = generator.permutation(400)[:rows]
        looks = [
            audited(losses, estimates, drawn[:seen], planned=rows)
            for seen in range(10, rows + 1, 5)
        ]
        inside = [one.low <= losses.mean() <= one.high for one in looks]
        held, always = held + inside[-1], always + all(inside)
    assert held >= 0.95 * 250
    assert always >= 0.93 * 250


def test_an_estimate_that_knows_the_losses_narrows_the_interval():
    generator = np.random.default_rng(6)
    estimates = generator.exponential(size=400)
    losses = estimates + 0.1 * generator.normal(size=400) + 1.0
    drawn = generator.permutation(400)[:40]
    alone, helped = (audited(losses, estimates, drawn, weight=w) for w in (0.0, 1.0))
    assert helped.high - helped.low < 0.5 * (alone.high - alone.low)
    assert helped.low <= losses.mean() <= helped.high


def test_a_census_is_certain_and_one_row_says_nothing():
    losses, estimates = population(np.random.default_rng(7), drifted=0.0)
    whole = audited(losses, estimates, np.arange(400))
    assert whole.low == whole.high == pytest.approx(losses.mean())
    one = audited(losses, estimates, np.arange(1))
    assert np.isnan(one.value)
    assert one.high == np.inf


def test_an_audit_without_a_miss_is_not_certain():
    found = audited_mean(
        np.zeros(20),
        np.zeros(20),
        all_estimates=np.zeros(400),
        weight=0.0,
        planned=20,
        prior_variance=0.25,
        prior_skewness=0.0,
        confidence=0.95,
    )
    assert found.value == 0
    assert 0.05 < found.high < 0.15


def test_rows_that_were_drawn_with_unequal_chances_weigh_unequally():
    generator = np.random.default_rng(8)
    losses = np.r_[np.zeros(200), np.ones(200)]
    chances = np.r_[np.full(200, 0.05), np.full(200, 0.4)]
    found = []
    for _ in range(300):
        drawn = np.flatnonzero(generator.random(400) < chances)
        one = audited_mean(
            losses[drawn],
            np.zeros(len(drawn)),
            all_estimates=np.zeros(400),
            propensities=chances[drawn],
            weight=0.0,
            planned=90,
            prior_variance=0.25,
            prior_skewness=0.0,
            confidence=0.95,
        )
        found.append(one)
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.low <= 0.5 <= one.high for one in found]) >= 0.95


def test_the_weight_of_the_estimate_is_learned_from_audits_and_stays_within_bounds():
    generator = np.random.default_rng(9)
    estimates = generator.exponential(size=500)
    worthless = power(
        generator.exponential(size=500), estimates, prior_slope=0.9, prior_variance=1.0
    )
    worthy = power(estimates, estimates, prior_slope=0.1, prior_variance=1.0)
    assert worthless < 0.2
    assert 0.9 < worthy <= 1.0
    assert power(-estimates, estimates, prior_slope=0.0, prior_variance=1.0) == 0.0
    assert power(estimates, estimates, prior_slope=0.5, prior_variance=0.0) == 0.0


def test_the_narrowest_look_is_the_planned_one():
    assert best_ratio(0.05) < best_ratio(0.025)
