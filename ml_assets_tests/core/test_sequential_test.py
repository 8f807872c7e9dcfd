"""Evidence that may be looked at at any time."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ml_assets.core.anytime import e_value, margin_of_error
from ml_assets.core.gain import PairedRows, SplitRows, over_keys, over_time
from ml_assets.core.sequential_test import Rule, judge

HOUR = timedelta(hours=1)
RULE = Rule(alpha=0.05, alpha_roll_back=0.05)
CERTAIN = 1e12  # degrees of freedom
START = np.datetime64("2024-01-01", "us")


def hours(count):
    return START + np.arange(count).astype("timedelta64[h]")


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_bet_is_fair_where_the_mean_is_zero(scale):
    def weighted(estimate):
        found = e_value(estimate, variance=1.0, degrees=CERTAIN, scale=scale)
        return found * norm.pdf(estimate)

    assert quad(weighted, -30, 30, limit=200)[0] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("degrees", [8.0, CERTAIN])
@pytest.mark.parametrize("alpha", [0.01, 0.05])
def test_the_bound_and_the_evidence_agree(degrees, alpha):
    chance = {"variance": 0.25, "degrees": degrees, "scale": 2.0}
    margin = margin_of_error(**chance, alpha=alpha)
    assert e_value(margin, **chance) == pytest.approx(1 / alpha, rel=1e-4)
    assert e_value(0.99 * margin, **chance) < 1 / alpha < e_value(1.01 * margin, **chance)


def test_few_pieces_of_evidence_make_wider_bounds():
    margins = [
        margin_of_error(variance=1.0, degrees=degrees, scale=1.0, alpha=0.05)
        for degrees in (4.0, 20.0, CERTAIN)
    ]
    assert margins == sorted(margins, reverse=True)


def test_without_variance_or_stakes_there_is_no_evidence():
    assert e_value(1.0, variance=0.0, degrees=9.0, scale=1.0) == 1.0
    assert margin_of_error(variance=0.0, degrees=9.0, scale=1.0, alpha=0.05) == float("inf")
    assert margin_of_error(variance=1.0, degrees=9.0, scale=0.0, alpha=0.05) == float("inf")


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_variance_over_time_is_that_of_the_mean(correlation):
    generator = np.random.default_rng(1)
    count, means, said = 400, [], []
    for _ in range(300):
        series = generator.normal(size=count)
        for place in range(1, count):
            series[place] += correlation * series[place - 1]
        means.append(series.mean())
        variance, _ = over_time((series - series.mean()) / count)
        said.append(variance)
    assert np.mean(said) == pytest.approx(np.var(means), rel=0.3)


def test_the_variance_over_keys_counts_keys_and_not_rows():
    generator = np.random.default_rng(2)
    arm = np.arange(60) < 30
    means, said = [], []
    for _ in range(400):
        level = generator.normal(size=60)
        means.append(level[arm].mean() - level[~arm].mean())
        moves = np.where(arm, level - level[arm].mean(), level[~arm].mean() - level) / 30
        said.append(over_keys(moves, arm)[0])
    assert np.mean(said) == pytest.approx(np.var(means), rel=0.2)


def test_rows_of_one_key_are_one_piece_of_evidence():
    """A hundred rows of each of six machines are six machines."""
    generator = np.random.default_rng(3)
    keys = np.tile(np.arange(6), 100)
    level = np.array([1.0, 1.2, 0.9, 1.6, 1.7, 1.5])
    losses = level[keys] + 0.01 * generator.normal(size=600)
    found = judge(SplitRows(losses, keys < 3, keys, hours(600), HOUR), RULE)
    assert found.estimate == pytest.approx(0.5667, abs=0.01)
    assert found.degrees < 5
    assert found.verdict == "go_on"


def paired(gain, *, seed=0, rows=600):
    losses = np.random.default_rng(seed).exponential(size=(2, rows))
    return PairedRows(losses[0], (1 - gain) * losses[1], hours(rows), HOUR)


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.5, "promote"), (-0.5, "roll_back"), (0.0, "go_on")]
)
def test_the_verdict_follows_the_evidence(gain, verdict):
    found = judge(paired(gain), RULE)
    assert found.verdict == verdict
    assert (found.low > 0, found.high < 0) == (verdict == "promote", verdict == "roll_back")
    assert (found.e_better >= 20, found.e_worse >= 20) == (found.low > 0, found.high < 0)
    assert found.champion_rows == found.challenger_rows == 600


def test_a_split_by_keys_finds_a_better_challenger():
    generator = np.random.default_rng(4)
    keys = generator.integers(0, 100, 2000)
    challenger = keys < 40
    losses = generator.exponential(size=2000) * np.where(challenger, 0.5, 1.0)
    times = START + (np.arange(2000) // 5).astype("timedelta64[h]")
    found = judge(SplitRows(losses, challenger, keys, times, HOUR), RULE)
    assert found.verdict == "promote"
    assert found.low < 0.5 < found.high
    assert found.challenger_rows == challenger.sum()


def test_not_worse_may_be_shown_where_better_may_not():
    """The same model twice is not better, but no worse than by a third."""
    same = paired(0.0, rows=3000)
    assert judge(same, RULE).verdict == "go_on"
    allowed = Rule(alpha=0.05, alpha_roll_back=0.05, allowed=0.33)
    assert judge(same, allowed).verdict == "promote"


def test_a_common_shock_is_no_difference():
    """What troubles both versions at once cancels."""
    shock = 100 * np.random.default_rng(5).exponential(size=400)
    own = paired(0.0, rows=400)
    calm = judge(own, RULE)
    shaken = judge(PairedRows(own.champion + shock, own.challenger + shock, own.times, HOUR), RULE)
    assert shaken.estimate == pytest.approx(calm.estimate)


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_is_said_of_no_rows(rows):
    nothing = np.zeros(rows)
    pair = judge(PairedRows(nothing, nothing, hours(rows), HOUR), RULE)
    split = judge(
        SplitRows(
            nothing, np.zeros(rows, dtype=bool), np.zeros(rows, dtype=np.int64), hours(rows), HOUR
        ),
        RULE,
    )
    for found in (pair, split):
        assert (found.verdict, found.e_better, found.e_worse) == ("go_on", 1.0, 1.0)
        assert found.to_json()["low"] is None


def test_too_few_rows_decide_nothing():
    assert judge(paired(0.5), Rule(alpha=0.05, alpha_roll_back=0.05, min_rows=601)).verdict == (
        "go_on"
    )


def test_models_that_never_err_are_no_different():
    zeros = np.zeros(200)
    assert judge(PairedRows(zeros, zeros, hours(200), HOUR), RULE).verdict == "go_on"


def test_many_looks_promote_no_equal_challenger_more_often_than_said():
    """The benchmark measures this for dependent and heavy-tailed losses too."""
    promoted = 0
    for seed in range(100):
        rows = paired(0.0, seed=seed, rows=200)
        for seen in range(100, 201, 5):
            part = PairedRows(rows.champion[:seen], rows.challenger[:seen], rows.times[:seen], HOUR)
            if judge(part, RULE).verdict == "promote":
                promoted += 1
                break
    assert promoted <= 5
