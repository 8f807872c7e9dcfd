"""One constant is named alone where it explains everything and no other does."""

import numpy as np
import pytest

from ml_assets.core.change.grey_box import Parameter
from ml_assets.core.change.identification import Estimates
from ml_assets.core.change.one_cause import one_cause
from ml_assets.core.change.parameters import compare

ALIKE = np.array([[1.0, 0.95], [0.95, 1.0]])  # two constants that act much alike
SIZES = np.array([1e3, 1e-6])  # in very different units


def asked(difference, covariance=ALIKE, freedom=30):
    units = np.outer(SIZES, SIZES)
    return one_cause(np.asarray(difference) * SIZES, covariance * units, freedom=freedom)


@pytest.mark.parametrize("at", [0, 1])
def test_a_single_cause_is_sharper_than_the_joint_errors(at):
    difference = np.zeros(2)
    difference[at] = 3.5
    found = asked(difference)
    assert found.at == at
    assert found.change == pytest.approx(3.5 * SIZES[at])
    assert found.error == pytest.approx(np.sqrt(1 - 0.95**2) * SIZES[at])
    assert found.p_value < 1e-6


def test_a_cause_is_read_through_what_the_other_constant_took_of_it():
    # Noise along the direction in which both constants are weakly known.
    found = asked(np.array([3.5, 0.0]) + 0.8)
    assert found.at == 0
    assert found.change == pytest.approx((3.5 + 0.8 * (1 - 0.95)) * SIZES[0])


def test_two_causes_are_not_one():
    assert asked([3.5, -3.5]) is None


def test_none_is_named_where_the_next_explains_nearly_as_much():
    assert asked([3.0, 3.0]) is None


def test_a_small_difference_may_be_chance():
    found = asked([0.7, 0.0], freedom=9)
    assert found is None or found.p_value > 0.05


def test_one_constant_has_no_other_to_be_told_from():
    assert one_cause(np.array([9.0]), np.eye(1), freedom=9) is None


PARAMETERS = (
    Parameter("gain", "1", start=1.0, low=-10, high=10),
    Parameter("offset", "mm", start=0.0, low=-50, high=50, scale=1.0),
)


def sides(change, *, entities, seed):
    """Return estimates whose errors are those of ``ALIKE``."""
    rng = np.random.default_rng(seed)
    noise = rng.multivariate_normal([0, 0], ALIKE / 2, size=(2, entities))
    covariance = np.tile(ALIKE / 2, (entities, 1, 1))
    names = tuple(f"rig {number}" for number in range(entities))
    return Estimates(names, noise[0], covariance), Estimates(names, noise[1] + change, covariance)


def named(change, *, entities, seeds):
    found = [compare(PARAMETERS, *sides(change, entities=entities, seed=seed))[0] for seed in seeds]
    return [one for one in found if one.moved]


def test_many_entities_name_what_the_joint_errors_hide():
    found = named(np.array([1.3, 0.0]), entities=10, seeds=range(100))
    alone = [one for one in found if one.alone]
    assert len(alone) > 10
    assert {one.name for one in found} == {"gain"}
    assert np.mean([one.low < 1.3 < one.high for one in alone]) > 0.9


def test_of_few_entities_no_single_cause_is_named():
    assert not [one for one in named(np.array([1.0, 0]), entities=4, seeds=range(50)) if one.alone]


def test_where_nothing_moved_hardly_anything_is_named():
    assert len(named(np.zeros(2), entities=10, seeds=range(500))) <= 9
