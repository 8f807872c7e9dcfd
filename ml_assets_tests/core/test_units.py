"""A change of unit is told apart from a change in the world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.histograms import NumericBins
from ml_assets.core.units import CONVERSIONS, unit_change

VALUES = np.random.default_rng(0).gamma(4.0, 5.0, 4000) + 2
BINS = NumericBins.fit(VALUES)
KNOWN = BINS.count(VALUES)


def named(values):
    return unit_change(BINS.count(values), KNOWN, rows=len(values))


@pytest.mark.parametrize(("name", "factor", "offset"), CONVERSIONS)
def test_every_conversion_is_named_both_ways(name, factor, offset):
    window = np.random.default_rng(1).gamma(4.0, 5.0, 800) + 2
    assert named(window * factor + offset) == name
    assert named((window - offset) / factor) == name


@given(st.floats(-0.5, 0.5), st.floats(0.8, 1.3))
def test_a_change_in_the_world_is_no_change_of_unit(shift, spread):
    window = np.random.default_rng(2).gamma(4.0, 5.0, 500) + 2
    middle = window.mean()
    assert named(middle + (window - middle) * spread + shift * window.std()) is None


def test_a_mixture_of_two_units_is_not_named():
    window = np.random.default_rng(3).gamma(4.0, 5.0, 500) + 2
    window[:250] *= 1000
    assert named(window) is None


def test_a_constant_has_no_unit():
    constant = BINS.count(np.full(300, 4.0))
    assert unit_change(constant, KNOWN, rows=300) is None
    assert unit_change(KNOWN, constant, rows=300) is None
