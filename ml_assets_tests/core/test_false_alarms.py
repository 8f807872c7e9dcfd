"""The budget of false alarms and the levels it buys."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.false_alarms import MONTH, MOST_PER_WINDOW, levels
from ml_assets.core.problem import Monitoring

HOUR = timedelta(hours=1)
BUDGETS = st.floats(0.001, 100)
SCALES = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True)
TESTS = st.integers(1, 500)


def spent(budget, scales=(1, 2, 4, 24), values=20, rates=24, window=HOUR):
    rule = Monitoring(false_alarms_per_month=budget, scales=tuple(scales), window=window)
    return levels(rule, window, weights={"values": values, "rates": rates})


@given(BUDGETS, SCALES, TESTS, TESTS)
def test_the_parts_never_exceed_the_budget(budget, scales, values, rates):
    found = spent(budget, scales, values, rates)
    whole = 0.0
    for group, tests in (("values", values), ("rates", rates)):
        for scale in found.scales:
            leaning = 0.4 if scale == 1 else 1.0
            whole += tests * found.of_scale(group, scale) * leaning
        whole += tests * found.blatant(group)
    assert whole <= found.per_window * (1 + 1e-9)
    assert found.per_window <= min(MOST_PER_WINDOW, budget * (HOUR / MONTH) * (1 + 1e-9))


@given(BUDGETS, BUDGETS)
def test_a_larger_budget_buys_larger_levels(one, other):
    small, large = spent(min(one, other)), spent(max(one, other))
    for group in ("values", "rates"):
        assert small.blatant(group) <= large.blatant(group)
        assert all(small.of_scale(group, s) <= large.of_scale(group, s) for s in small.scales)


def test_few_windows_a_month_do_not_make_each_one_careless():
    assert spent(1, window=timedelta(days=7)).per_window == MOST_PER_WINDOW


def test_one_alarm_a_month_of_hours_is_one_in_730_windows():
    assert spent(1).per_window == pytest.approx(1 / 730.5)


def test_the_simulated_rule_keeps_the_budget_on_uniform_p_values():
    """Independent tests of one length: hot now, and leaning now and in one of the two before."""
    rng = np.random.default_rng(0)
    found = spent(300, scales=(1,), values=20, rates=1)
    level = found.of_scale("values", 1)
    alarms, windows = 0, 0
    for _ in range(40):
        p_values = rng.random((2000, 20))
        leaning = p_values <= 0.2
        earlier = leaning[1:-1] | leaning[:-2]
        hot = p_values[2:] <= level
        alarms += int((hot & earlier).any(axis=1).sum())
        windows += 1998
    assert 0.5 * 0.72 * found.per_window < alarms / windows <= 0.72 * found.per_window


def test_longer_lengths_have_smaller_levels_and_weights_scale_them():
    found = spent(1)
    of_scale = [found.of_scale("values", scale) for scale in found.scales]
    assert of_scale == sorted(of_scale, reverse=True)
    assert found.of_scale("values", 2, weight=6) == pytest.approx(6 * of_scale[1])
    assert found.blatant("values", weight=6) == pytest.approx(6 * found.blatant("values"))
