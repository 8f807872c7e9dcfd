"""What few stretches leave open about a variance."""

import numpy as np
import pytest

from ml_assets.core.dependence import prior_odds
from ml_assets.core.spread import Spread


def false_alarms(stretches, inflation, *, level=0.001, lives=4000):
    """Return how often a deviation without drift is called rarer than a level."""
    rng = np.random.default_rng(stretches)
    measured = inflation * rng.chisquare(stretches, lives)
    deviation = inflation**0.5 * rng.normal(size=lives)
    tails = [
        Spread.of(total, stretches).tail(np.array([z]))[0]
        for total, z in zip(measured, deviation, strict=True)
    ]
    return np.mean(np.array(tails) <= level)


@pytest.mark.parametrize("stretches", [8, 40])
@pytest.mark.parametrize("inflation", [1.0, 3.0, 30.0])
def test_few_stretches_do_not_make_alarms(stretches, inflation):
    assert false_alarms(stretches, inflation) <= 0.004


def test_few_stretches_that_look_independent_widen_the_limit_and_many_hardly_do():
    z = np.array([5.0])
    normal, few, many = 5.7e-7, Spread.of(8.0, 8).tail(z)[0], Spread.of(160.0, 160).tail(z)[0]
    assert few > 50 * normal
    assert many < 3 * normal


def test_dependence_of_one_statistic_is_believed_of_all():
    alone = Spread.of(40.0, 40).chance_of_independence
    beside = Spread.of(np.array([40.0, 400.0]), 40).chance_of_independence
    assert alone > 0.8
    assert beside < 0.001


def test_a_length_that_was_not_measured_gets_the_widest_limit():
    known, unknown = Spread.of(30.0, 10, exponent=0.0), Spread.of(30.0, 10, exponent=None)
    z = np.array([6.0])
    assert unknown.tail(z, 1)[0] == pytest.approx(known.tail(z, 1)[0])
    assert unknown.tail(z, 4)[0] > 5 * known.tail(z, 4)[0]


def test_stretches_shorter_than_a_window_widen_the_limit_of_a_window():
    short = Spread.of(30.0, 10, stretch=0.25, exponent=None)
    assert short.expected(1)[0] > 3 * Spread.of(30.0, 10).expected(1)[0]


def test_columns_that_look_independent_speak_for_each_other():
    alone, among = prior_odds([0.1])[0], prior_odds([0.1] * 20)
    assert alone == pytest.approx(1)
    assert np.all(among < 0.1)
    odd = prior_odds([0.1] + [1e9] * 19)
    assert odd[0] > 10
    assert prior_odds([float("inf")] * 3).tolist() == pytest.approx([3.0] * 3, rel=0.1)


def test_the_prior_of_dependence_widens_or_narrows_the_limit():
    z = np.array([5.0])
    doubtful, sure = (Spread.of(40.0, 40, prior=odds).tail(z)[0] for odds in (20.0, 0.05))
    assert doubtful > 3 * sure
