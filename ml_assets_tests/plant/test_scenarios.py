"""The declared scenarios, their onsets, and what they do to the parameters."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DeclarationError
from ml_assets.core.window import Window
from ml_assets.plant import ORIGIN, SCENARIOS, Plant, scenario_named
from ml_assets.plant.scenarios import DEFAULT_ONSET
from ml_assets.plant.wear import truth

PARAMETERS = ["stiffness_n_m", "friction_coefficient", "actuator_gain", "sensor_bias_mm"]
WEARS = [name for name in SCENARIOS if name != "quiet"]


def truth_of(name: str, *, days: int = 36) -> pd.DataFrame:
    return Plant(name, rigs=5).truth(Window(ORIGIN, ORIGIN + timedelta(days=days)))


def moved(table: pd.DataFrame) -> pd.DataFrame:
    """Difference of each parameter from what it was at first, rig by rig."""
    return table[PARAMETERS] - table.groupby("rig")[PARAMETERS].transform("first")


def test_the_declared_scenarios():
    assert set(SCENARIOS) == {
        "quiet",
        "spring_fatigue",
        "friction_step",
        "weak_actuator",
        "sensor_bias",
    }


def test_quiet_moves_nothing():
    assert (moved(truth_of("quiet")) == 0).all(axis=None)
    assert scenario_named("quiet").onset is None


@pytest.mark.parametrize("name", WEARS)
def test_a_wear_moves_its_parameter_only_and_only_from_its_onset(name):
    scenario = scenario_named(name)
    table = truth_of(name)
    change = moved(table)
    others = [parameter for parameter in PARAMETERS if parameter != scenario.parameter]
    before = table["at"] < scenario.onset
    assert before.any()
    assert (change[others] == 0).all(axis=None)
    assert (change.loc[before, scenario.parameter] == 0).all()
    settled = change.loc[table["at"] >= scenario.settled, scenario.parameter]
    assert (np.sign(settled) == np.sign(scenario.change)).all()


@pytest.mark.parametrize("name", WEARS)
def test_the_full_effect_is_the_declared_change_times_each_rigs_severity(name):
    scenario = scenario_named(name)
    table = truth_of(name)
    first = table.groupby("rig")[scenario.parameter].first()
    last = table.groupby("rig")[scenario.parameter].last()
    effect = last if scenario.parameter == "sensor_bias_mm" else last / first - 1
    severity = effect / scenario.change
    assert severity.between(0.8, 1.2).all()
    assert severity.nunique() == 5


def test_a_gradual_wear_is_smooth_and_one_way():
    stiffness = truth_of("spring_fatigue").query("rig == 'rig_01'")["stiffness_n_m"]
    hourly = stiffness.diff().dropna()
    assert (hourly <= 0).all()
    assert hourly.abs().max() < 0.01 * stiffness.iloc[0]


def test_a_step_is_complete_at_once():
    friction = truth_of("friction_step").query("rig == 'rig_01'")["friction_coefficient"]
    assert friction.nunique() == 2


def test_a_name_may_give_another_onset():
    assert scenario_named("spring_fatigue").onset == DEFAULT_ONSET
    assert scenario_named("spring_fatigue@P20D").onset == ORIGIN + timedelta(days=20)
    assert scenario_named("sensor_bias@P1W2DT12H").onset == ORIGIN + timedelta(days=9, hours=12)
    assert scenario_named("friction_step@P0D").onset == ORIGIN
    assert scenario_named("spring_fatigue@P20D").change == SCENARIOS["spring_fatigue"].change


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("spring_fatige", "Did you mean 'spring_fatigue'?"),
        ("earthquake", "Valid names: "),
        ("quiet@P20D", "has no onset"),
        ("spring_fatigue@20", "ISO 8601"),
        ("spring_fatigue@", "ISO 8601"),
        ("spring_fatigue@P", "ISO 8601"),
        ("spring_fatigue@P2DT", "ISO 8601"),
    ],
)
def test_a_wrong_name_says_what_to_do(name, why):
    with pytest.raises(DeclarationError) as error:
        scenario_named(name)
    assert why in str(error.value)


def test_the_truth_is_that_of_the_same_plant():
    times = np.arange("2026-02-01", "2026-02-03", dtype="datetime64[h]")
    window = Window(ORIGIN + timedelta(days=31), ORIGIN + timedelta(days=33))
    plant = Plant("weak_actuator", rigs=4, seed=3)
    pd.testing.assert_frame_equal(truth(plant.scenario, times, seed=3, rigs=4), plant.truth(window))
