"""Faults of the data are found, dated, and told apart from changes of the world."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.change.faults.search import data_faults
from ml_assets_tests.core.change.cases import ENTITIES, START, answered, split, table

BROKEN = START + timedelta(hours=360)  # a day after the recent rows begin


def since(frame):
    return (frame["event_time"] >= BROKEN).to_numpy()


def put(frame, column, values):
    return frame.assign(**{column: np.where(since(frame), values, frame[column])})


def shuffled(frame):
    late = np.flatnonzero(since(frame))
    mixed = np.random.default_rng(1).permutation(late)
    columns = ["speed", "load", "warmth"]
    frame = frame.copy()
    frame.loc[late, columns] = frame.loc[mixed, columns].to_numpy()
    return frame


def repeated(frame, *, hour=0):
    """Deliver a day again that began at an hour."""
    late, first = np.flatnonzero(since(frame)), hour * len(ENTITIES)
    columns = ["speed", "load", "warmth"]
    frame = frame.copy()
    frame.loc[late[:72], columns] = frame.loc[first : first + 71, columns].to_numpy()
    return frame


def late_clock(frame):
    columns = ["speed", "load", "warmth"]
    shifted = frame.groupby("entity")[columns].shift(5)
    return frame.assign(**{name: shifted[name].fillna(frame[name]) for name in columns})


FAULTS = {
    "metres": (lambda f: put(f, "speed", f["speed"] * 3.6), "changed_unit", {"speed"}),
    "fahrenheit": (lambda f: put(f, "warmth", f["warmth"] * 1.8 + 32), "changed_unit", {"warmth"}),
    "thousand": (lambda f: put(f, "load", f["load"] / 1000), "changed_unit", {"load"}),
    "empty": (lambda f: put(f, "load", np.nan), "dead_column", {"load"}),
    "frozen": (lambda f: put(f, "speed", 4.2), "frozen_column", {"speed"}),
    "exchanged": (
        lambda f: put(put(f, "speed", f["load"]), "load", f["speed"]),
        "exchanged_columns",
        {"speed", "load"},
    ),
    "shuffled": (shuffled, "rows_out_of_order", {"speed", "load"}),
    "repeated": (repeated, "repeated_rows", {"load", "warmth"}),
    "clock": (late_clock, "shifted_clock", {"warmth"}),
}


def found(frame, *, change=lambda f: f):
    before, after = split(frame)
    return data_faults(answered(before), answered(change(after)), seed=0)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_columns(name):
    change, kind, columns = FAULTS[name]
    for seed in range(3):
        faults = found(table(seed=seed), change=change)
        assert [fault.kind for fault in faults] == [kind]
        assert set(faults[0].columns) >= columns
        if kind != "shifted_clock":
            assert abs(faults[0].since - BROKEN) <= timedelta(hours=2)


def test_one_frozen_sensor_is_named_with_its_entity():
    def freeze(frame):
        own = since(frame) & (frame["entity"] == "b").to_numpy()
        return frame.assign(speed=np.where(own, 4.2, frame["speed"]))

    (fault,) = found(table(), change=freeze)
    assert fault.says == "stands still for b"


def circle(part):
    """Return a part of a period as sine and cosine."""
    return np.sin(part * 2 * np.pi), np.cos(part * 2 * np.pi)


CLOCKS = {
    "time of day": (lambda t: (t.hour * 60 + t.minute) / 1440, "10min"),
    "hour of the week": (lambda t: (t.hour + 24 * t.dayofweek) / 168, "h"),
    "day of the month": (lambda t: t.day / 31, "D"),
    "day of the year": (lambda t: t.dayofyear / 366, "D"),
    "a cycle of 50 hours": (lambda t: np.arange(len(t)) % 50 / 50, "h"),
}


@pytest.mark.parametrize(
    ("clock", "before", "rows"),
    [
        ("time of day", 480, 560),
        ("time of day", 100, 400),  # less than a day
        ("hour of the week", 480, 552),
        ("hour of the week", 100, 400),  # less than a week
        ("day of the month", 60, 120),
        ("day of the month", 25, 80),
        ("day of the year", 300, 450),
        ("a cycle of 50 hours", 100, 240),
    ],
)
def test_a_column_that_repeats_by_itself_is_no_fault(clock, before, rows):
    part, every = CLOCKS[clock]
    times = pd.date_range(START, periods=rows, freq=every)
    load, warmth = circle(np.asarray(part(times)))
    frame = table(hours=rows).iloc[:: len(ENTITIES)]
    frame = frame.assign(event_time=times.as_unit("us"), load=load, warmth=warmth)
    early, late = frame.iloc[:before], frame.iloc[before:].reset_index(drop=True)
    assert data_faults(answered(early), answered(late), seed=0) == ()


def test_rows_that_came_a_week_before_are_found_beside_a_clock():
    frame = table()
    hour = frame["event_time"].dt.hour + 24 * frame["event_time"].dt.dayofweek
    frame = repeated(frame, hour=360 - 168).assign(speed=np.sin(hour / 168 * 2 * np.pi))
    (fault,) = found(frame)
    assert (fault.kind, fault.columns) == ("repeated_rows", ("load", "warmth"))
    assert fault.says == "repeat what they showed 7 days 00:00:00 earlier"


@pytest.mark.parametrize("entities", [ENTITIES, ENTITIES[:1]])
def test_what_never_changed_does_not_stand_still(entities):
    frame = table(hours=500)
    frame = frame[frame["entity"].isin(entities)].assign(load=5.0, kind="north", speed=np.nan)
    early, late = split(frame, at=100)
    assert data_faults(answered(early), answered(late), seed=0) == ()
    newcomers = late.assign(entity=late["entity"] + "2", speed=np.nan)
    assert data_faults(answered(early), answered(newcomers), seed=0) == ()


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "dead_column"), (4.2, "frozen_column")])
def test_an_entity_that_never_changed_does_not_hide_another_one(value, kind):
    frame = table(hours=500)
    early, late = split(frame, at=100)
    early = early.assign(speed=early["speed"].where(early["entity"] != "a", value))
    late = late.assign(speed=late["speed"].where(late["entity"] == "c", value))
    (fault,) = data_faults(answered(early), answered(late), seed=0)
    assert (fault.kind, fault.columns) == (kind, ("speed",))
    assert fault.says.endswith(" for b")


def test_an_entity_of_a_few_rows_is_judged_like_the_others():
    early, late = split(table(hours=500), at=100)
    early = early[(early["entity"] != "a") | (early["event_time"] < START + timedelta(hours=5))]
    early, late = (
        side.assign(speed=side["speed"].where(side["entity"] != "a", 4.2)) for side in (early, late)
    )
    (fault,) = data_faults(answered(early), answered(late), seed=0)
    assert fault.says == "stands still for a"


def test_a_change_of_the_world_is_no_fault():
    changes = [
        lambda f: f,
        lambda f: f.assign(speed=f["speed"] + 2),
        lambda f: f.assign(load=f["load"] * 1.5),
        lambda f: f.assign(warmth=f["warmth"] - 8),
    ]
    for seed in range(5):
        for change in changes:
            assert found(table(seed=seed), change=change) == ()


def test_a_repair_undoes_the_fault():
    before, after = split(table())
    broken = put(after, "load", after["load"] / 1000)
    (fault,) = data_faults(answered(before), answered(broken), seed=0)
    repaired = fault.repair(broken)
    assert np.allclose(repaired["load"], after["load"])
