"""The tables: their columns, their determinism, late labels, and the instruments' faults."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DeclarationError
from ml_assets.core.window import Window
from ml_assets.plant import ORIGIN, Plant
from ml_assets.plant.instruments import GARBAGE, INSTRUMENTS

KEYS = ["rig", "measured_at"]


def days(first: float, last: float) -> Window:
    return Window(ORIGIN + timedelta(days=first), ORIGIN + timedelta(days=last))


def test_readings_have_a_row_for_each_rig_and_moment():
    table = Plant(rigs=3).readings(days(0, 2))
    assert list(table) == [
        "rig",
        "measured_at",
        "load",
        "amplitude_mm",
        "period_s",
        "peak_velocity_mm_s",
        "offset_mm",
        "pulse_current_a",
        "pulse_s",
        "coil_temperature_c",
        "supply_voltage_v",
        "ambient_temperature_c",
    ]
    assert table["measured_at"].dtype == "datetime64[us, UTC]"
    assert len(table) == 2 * 144 * 3
    assert not table.duplicated(KEYS).any()
    pd.testing.assert_frame_equal(table, table.sort_values(["measured_at", "rig"]))


@pytest.mark.parametrize("table", ["readings", "labels"])
def test_a_windows_rows_do_not_depend_on_the_window(table):
    plant = Plant("spring_fatigue@P2D", rigs=3)
    whole = getattr(plant, table)(days(0, 4))
    again = Plant("spring_fatigue@P2D", rigs=3)
    edges = [0, 0.26, 1, 1.5, 3, 4]
    parts = [getattr(again, table)(days(*pair)) for pair in pairwise(edges)]
    pd.testing.assert_frame_equal(whole, pd.concat(parts, ignore_index=True), check_exact=True)


def test_an_empty_window_has_the_same_columns_and_no_rows():
    plant = Plant(rigs=2)
    for ask in (plant.readings, plant.labels, plant.truth):
        assert ask(days(1, 1)).empty
        pd.testing.assert_series_equal(ask(days(1, 1)).dtypes, ask(days(1, 2)).dtypes)


def test_more_rigs_leave_the_others_as_they_are():
    few, many = Plant(rigs=2), Plant(rigs=5)
    chosen = many.readings(days(0, 1)).query("rig in ['rig_01', 'rig_02']")
    pd.testing.assert_frame_equal(few.readings(days(0, 1)), chosen.reset_index(drop=True))
    pd.testing.assert_frame_equal(few.rig_table(), many.rig_table().head(2))


def test_another_seed_is_another_plant():
    one, other = (Plant(rigs=2, seed=seed) for seed in (0, 1))
    pairs = [(plant.readings(days(0, 1)), plant.rig_table()) for plant in (one, other)]
    (readings, rigs), (others, other_rigs) = pairs
    assert (readings["pulse_current_a"] != others["pulse_current_a"]).mean() > 0.9
    assert not rigs["mass_kg"].equals(other_rigs["mass_kg"])


def test_before_its_onset_a_wear_is_the_quiet_plant():
    window = days(9, 11)
    quiet, worn = (Plant(name, rigs=3) for name in ("quiet", "weak_actuator@P10D"))
    pd.testing.assert_frame_equal(quiet.readings(window), worn.readings(window))
    labels, worn_labels = quiet.labels(window), worn.labels(window)
    before = labels["measured_at"] < ORIGIN + timedelta(days=10)
    pd.testing.assert_frame_equal(labels[before], worn_labels[before])
    assert (labels["next_amplitude_mm"] > worn_labels["next_amplitude_mm"])[~before].mean() > 0.9


def test_labels_belong_to_the_readings_and_arrive_late():
    plant = Plant(rigs=3)
    labels = plant.labels(days(5, 6))
    assert list(labels) == ["rig", "measured_at", "next_amplitude_mm", "known_at"]
    pd.testing.assert_frame_equal(labels[KEYS], plant.readings(days(5, 6))[KEYS])
    delay = labels["known_at"] - labels["measured_at"]
    assert delay.min() >= timedelta(hours=2)
    assert delay.max() <= timedelta(hours=2, minutes=15)
    assert delay.nunique() > 100
    assert labels["known_at"].dtype == "datetime64[us, UTC]"


def test_the_rig_table_hides_the_causes():
    table = Plant(rigs=10).rig_table()
    assert list(table) == ["rig", "spring_batch", "surface", "mass_kg", "installed_on"]
    assert table["rig"].tolist() == [f"rig_{number:02d}" for number in range(1, 11)]
    assert table["spring_batch"].nunique() == table["surface"].nunique() == 3


def test_instruments_drop_out_and_fail_at_their_rates():
    table = Plant(reading_every=timedelta(minutes=5)).readings(days(0, 20))[list(INSTRUMENTS)]
    assert table.isna().to_numpy().mean() == pytest.approx(0.005, rel=0.1)
    garbage = table.isin(GARBAGE)
    assert garbage.to_numpy().mean() == pytest.approx(0.0005, rel=0.25)
    sound = table.mask(garbage)
    assert sound.min().min() > -100
    assert sound.max().max() < 2000


def test_instruments_show_hundredths():
    values = Plant(rigs=2).readings(days(0, 1))[list(INSTRUMENTS)].to_numpy()
    np.testing.assert_array_equal(values, values.round(2))


def test_ambient_temperature_has_a_daily_cycle_and_readings_are_autocorrelated():
    table = Plant(rigs=4).readings(days(0, 10))
    sound = table.mask(table.isin(GARBAGE)).set_index("measured_at")
    by_hour = sound["ambient_temperature_c"].groupby(sound.index.hour).mean()
    assert by_hour[15] - by_hour[3] == pytest.approx(8, abs=1)
    one = sound[sound["rig"] == "rig_02"]["amplitude_mm"]
    assert one.autocorr(1) > 0.7


def test_the_time_between_readings_is_an_argument():
    table = Plant(rigs=1, reading_every=timedelta(hours=1)).readings(days(0, 1))
    assert table["measured_at"].diff().dropna().eq(timedelta(hours=1)).all()


def test_days_before_the_origin_exist_too():
    window = Window(datetime(2025, 12, 31, tzinfo=UTC), ORIGIN)
    assert len(Plant(rigs=1).readings(window)) == 144


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"rigs": 0}, "rigs from 1 to 99"),
        ({"rigs": 100}, "rigs from 1 to 99"),
        ({"reading_every": timedelta(minutes=7)}, "whole number of times"),
        ({"reading_every": timedelta(0)}, "whole number of times"),
        ({"reading_every": timedelta(days=2)}, "whole number of times"),
        ({"seed": -1}, "seed from 0"),
    ],
)
def test_a_plant_that_cannot_be_says_why(arguments, why):
    with pytest.raises(DeclarationError, match=why):
        Plant(**arguments)
