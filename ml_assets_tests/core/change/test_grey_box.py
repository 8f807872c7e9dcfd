"""Constants of a physical model are found, and which of them moved."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ml_assets.core.change.grey_box import Parameter
from ml_assets.core.change.identification import MIN_ROWS_AN_ENTITY, Estimates, identify
from ml_assets.core.change.parameters import FREEDOM_OF_FITS, compare, holm, shifts
from ml_assets.core.errors import DeclarationError
from ml_assets_tests.core.change.cases import ENTITIES, START


class Line:
    """truth = gain * x + offset, read with noise of 0.5."""

    parameters = (
        Parameter("gain", "1", start=1.0, low=-10, high=10),
        Parameter("offset", "mm", start=0.0, low=-50, high=50, scale=1.0),
    )
    columns = ("x",)

    def residuals(self, values, rows):
        expected = values["gain"] * rows["x"].to_numpy() + values["offset"]
        return ((rows["truth"].to_numpy() - expected) / 0.5)[:, None]


def readings(*, gain=2.0, offset=3.0, rows=200, seed=0, entities=ENTITIES):
    rng = np.random.default_rng(seed)
    count = rows * len(entities)
    x = rng.uniform(0, 10, count)
    frame = pd.DataFrame(
        {
            "event_time": pd.date_range(START, periods=count, freq="min"),
            "x": x,
            "truth": gain * x + offset + 0.5 * rng.normal(size=count),
        }
    )
    return frame, pd.Series(np.tile(entities, rows))


def test_constants_are_found_within_their_errors():
    found = identify(Line(), *readings())
    assert found.entities == ENTITIES
    error = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
    assert (np.abs(found.values - [2.0, 3.0]) < 4 * error).all()
    assert (error[:, 0] < 0.05).all()


def test_rows_that_lack_a_value_and_entities_with_few_rows_are_left_out():
    frame, entity = readings()
    frame.loc[entity == "a", "x"] = np.nan
    frame.loc[frame.index[:10], "truth"] = np.nan
    assert identify(Line(), frame, entity).entities == ("b", "c")
    assert shifts(Line(), (frame.iloc[:0], entity.iloc[:0]), (frame, entity)) == ()


@pytest.mark.parametrize("moved", ["gain", "offset"])
def test_the_constant_that_moved_is_named(moved):
    changed = {"gain": 2.2} if moved == "gain" else {"offset": 3.5}
    for seed in range(5):
        (first, second) = shifts(Line(), readings(seed=seed), readings(seed=seed + 90, **changed))
        assert (first.name, first.moved, second.moved) == (moved, True, False)
        assert first.low < changed[moved] - {"gain": 2.0, "offset": 3.0}[moved] < first.high


def test_nothing_moved_is_seldom_named():
    named = 0
    for seed in range(60):
        found = shifts(Line(), readings(seed=seed), readings(seed=seed + 1000))
        named += any(one.moved for one in found)
    assert named <= 4


@pytest.mark.parametrize("entities", [("a",), ("a", "b", "c")])
def test_errors_of_the_fewest_rows_are_not_too_small(entities):
    frame, entity = readings(rows=MIN_ROWS_AN_ENTITY - 1, entities=entities)
    assert identify(Line(), frame, entity).entities == ()
    held = []
    for seed in range(200):
        found = identify(Line(), *readings(rows=MIN_ROWS_AN_ENTITY, seed=seed, entities=entities))
        error = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
        reach = stats.t.ppf(0.975, FREEDOM_OF_FITS)
        held.append(np.abs(found.values - [2.0, 3.0]) < reach * error)
    assert np.mean(held) > 0.91


def test_an_entity_whose_rows_all_come_at_once_has_an_error():
    frame, entity = readings()
    late = entity == "c"
    frame.loc[late, "event_time"] = frame["event_time"].max()
    found = identify(Line(), frame, entity)
    error = np.sqrt(np.diagonal(found.covariance, axis1=1, axis2=2))
    assert error[2] == pytest.approx(error[0], rel=1.0)


@pytest.mark.parametrize("entities", [("a",), ("a", "b", "c"), tuple("abcdefgh")])
def test_constants_that_cannot_be_told_apart_are_not_said_to_have_moved(entities):
    """Since the change the machine runs at one setpoint, where gain and offset act the same."""
    named = []
    for seed in range(10):
        recent, entity = readings(seed=seed + 50, entities=entities, offset=3.5)
        noise = recent["truth"] - 2.0 * recent["x"]
        recent = recent.assign(x=5.0, truth=noise + 2.0 * 5.0)
        found = shifts(Line(), readings(seed=seed, entities=entities), (recent, entity))
        named += [one.name for one in found if one.moved]
        assert all(one.low < 0 < one.high for one in found)
    assert named == []


class Heated(Line):
    """A heater's constant, of which no row tells while the heater is off."""

    parameters = (*Line.parameters, Parameter("heating", "K", start=1.0, low=0, high=300))
    columns = ("x", "heat")

    def residuals(self, values, rows):
        warmth = values["heating"] * rows["heat"].to_numpy()
        return super().residuals(values, rows) - warmth[:, None]


@pytest.mark.parametrize("entities", [ENTITIES, tuple("abcdefgh")])
def test_a_constant_that_no_row_tells_of_stands_in_nobodys_way(entities):
    sides = [
        (frame.assign(heat=0.0), entity)
        for frame, entity in (
            readings(entities=entities),
            readings(seed=9, gain=2.2, entities=entities),
        )
    ]
    by_name = {one.name: one for one in shifts(Heated(), *sides)}
    assert by_name["gain"].moved
    assert not by_name["heating"].moved
    assert by_name["heating"].high - by_name["heating"].low > 100


class Loss(Line):
    """A model that is defined only up to its bound."""

    parameters = (Parameter("lost", "1", start=0.5, low=0.0, high=1.0),)

    def residuals(self, values, rows):
        assert (values["lost"] <= 1).all()
        left = np.sqrt(1 - values["lost"])
        return ((rows["truth"].to_numpy() - left * rows["x"].to_numpy()) / 0.5)[:, None]


def test_a_model_is_asked_within_its_bounds_only():
    found = identify(Loss(), *readings(gain=0.0, offset=0.0))
    assert found.values == pytest.approx(1.0, abs=0.01)
    assert np.isfinite(found.covariance).all()


def test_a_number_that_is_not_finite_is_a_missing_one():
    frame, entity = readings()
    frame.loc[frame.index[5], "x"] = np.inf
    assert identify(Line(), frame, entity).entities == ENTITIES


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"start": 0.0}, "give the size of one as scale"), ({"start": 9.0}, "outside -1 to 1")],
)
def test_a_parameter_that_cannot_be_searched_is_refused(wrong, words):
    with pytest.raises(DeclarationError, match=words):
        Parameter("offset", "mm", low=-1, high=1, **wrong)


def test_many_entities_are_judged_by_their_own_spread():
    entities = tuple("abcdefgh")
    covariance = np.tile(1e-8 * np.eye(2), (8, 1, 1))
    spread = np.linspace(-1, 1, 8)[:, None] * [1.0, 0.0]
    before = Estimates(entities, np.zeros((8, 2)), covariance)
    after = Estimates(entities, spread + np.array([0.2, 0.2]), covariance)
    by_name = {one.name: one for one in compare(Line.parameters, before, after)}
    assert not by_name["gain"].moved
    assert by_name["offset"].moved


def test_holm_is_never_below_the_plain_p_value():
    p_values = np.array([0.2, 0.001, 0.04])
    assert (holm(p_values) >= p_values).all()
