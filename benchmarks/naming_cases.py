"""Cases with a known answer: what is injected into the plant and into real tables."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from ml_assets.core.change.naming import Question
from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.window import Window
from ml_assets.defs.plant.physics import RigPhysics
from ml_assets.plant import ORIGIN, Plant
from ml_assets_tests.real_data import DATA

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TRAINED, JUDGED, ONSET = (ORIGIN + days * DAY for days in (6, 6, 13))
NUMBERS = (
    "amplitude_mm",
    "period_s",
    "peak_velocity_mm_s",
    "offset_mm",
    "pulse_current_a",
    "pulse_s",
    "coil_temperature_c",
    "supply_voltage_v",
    "ambient_temperature_c",
    "mass_kg",
)
TEXTS = ("rig", "load", "spring_batch", "surface")
GARBAGE = [-999.0, 9999.0]


def absolute(truth, answers):
    return np.abs(np.asarray(answers, float) - np.asarray(truth, float))


class Learned:
    """A model of numbers and texts, asked with a frame."""

    def __init__(self, frame, numeric, categorical, target):
        self.numeric, self.categorical = numeric, categorical
        self.levels = {name: sorted(frame[name].dropna().unique()) for name in categorical}
        self.model = HistGradientBoostingRegressor(max_iter=80, learning_rate=0.15, random_state=0)
        self.model.fit(self.table(frame), frame[target])

    def table(self, frame):
        codes = [
            pd.Categorical(frame[name], categories=levels).codes.astype(float)
            for name, levels in self.levels.items()
        ]
        return np.column_stack([frame[[*self.numeric]].to_numpy(float), *codes])

    def __call__(self, frame):
        return self.model.predict(self.table(frame))

    def answered(self, frame, target, entity):
        frame = frame.sort_values("event_time", kind="stable").reset_index(drop=True)
        answers, truth = self(frame), frame[target].to_numpy(float)
        who = frame[entity].to_numpy(object) if entity else np.full(len(frame), "all", object)
        return ComparedRows(
            frame, self.numeric, self.categorical, who, answers, truth, absolute(truth, answers)
        )


def plant_rows(plant, window):
    rows = plant.readings(window).replace(GARBAGE, np.nan)
    rows = rows.merge(plant.labels(window), on=["rig", "measured_at"])
    rows = rows.merge(plant.rig_table().drop(columns="installed_on"), on="rig")
    return rows.rename(columns={"measured_at": "event_time"})


class PlantCase:
    """One plant, its model, and what it did before anything happened."""

    def __init__(self, seed, *, learn=True):
        self.seed = seed
        start = ORIGIN if learn else JUDGED
        quiet = plant_rows(Plant("quiet", seed=seed), Window(start, ONSET))
        trained = quiet[quiet["event_time"] < TRAINED]
        self.model = Learned(trained, NUMBERS, TEXTS, "next_amplitude_mm") if learn else Unasked()
        self.before = self.answered(quiet[quiet["event_time"] >= JUDGED])

    def answered(self, frame):
        return self.model.answered(frame, "next_amplitude_mm", "rig")

    def production(self, scenario):
        plant = Plant(f"{scenario}@P13D" if scenario != "quiet" else "quiet", seed=self.seed)
        return self.answered(plant_rows(plant, Window(ONSET, ONSET + 2 * DAY)))

    def question(self, opened, until, drifted=()):
        return Question(
            opened,
            until,
            drifted,
            signed=True,
            loss=absolute,
            ask=self.model,
            metric="mean absolute error",
            grey_box=RigPhysics(),
            seed=self.seed,
        )


class Unasked:
    """Stands for a model where no label has come: faults are told from features alone."""

    numeric, categorical = NUMBERS, TEXTS

    def answered(self, frame, target, entity):
        return unlabelled(frame, NUMBERS, TEXTS, entity)


def unlabelled(frame, numeric, categorical, entity=None):
    """Return rows of which nothing but the features is known."""
    frame = frame.sort_values("event_time", kind="stable").reset_index(drop=True)
    who = frame[entity].to_numpy(object) if entity else np.full(len(frame), "all", object)
    unknown = np.full(len(frame), np.nan)
    return ComparedRows(frame, numeric, categorical, who, unknown, unknown, unknown)


@dataclass(frozen=True)
class Injected:
    kind: str
    columns: tuple[str, ...]
    breaks: Callable[[pd.DataFrame], pd.DataFrame]


def broken(rows, fault, moment):
    """Return rows that are broken from a moment on."""
    late = (rows.frame["event_time"] >= moment).to_numpy()
    columns = [name for name in rows.frame.columns if name != "event_time"]
    frame = rows.frame.copy()
    frame.loc[late, columns] = fault.breaks(frame[late].reset_index(drop=True))[columns].to_numpy()
    return replace(rows, frame=frame.astype(dict.fromkeys(rows.numeric, float)))


def scaled(column, factor, offset=0.0):
    def breaks(frame):
        return frame.assign(**{column: frame[column] * factor + offset})

    return Injected("changed_unit", (column,), breaks)


def exchanged(one, other):
    def breaks(frame):
        return frame.assign(**{one: frame[other], other: frame[one]})

    return Injected("exchanged_columns", (one, other), breaks)


def shuffled(columns, entity=None):
    def breaks(frame):
        groups = frame.groupby(entity) if entity else [("all", frame)]
        mixed = frame.copy()
        for _, part in groups:
            order = np.random.default_rng(0).permutation(part.index)
            mixed.loc[part.index, columns] = frame.loc[order, columns].to_numpy()
        return mixed

    return Injected("rows_out_of_order", tuple(columns), breaks)


def valued(kind, column, value):
    return Injected(kind, (column,), lambda frame: frame.assign(**{column: value}))


MEASURED = ["amplitude_mm", "period_s", "peak_velocity_mm_s", "offset_mm", "coil_temperature_c"]
MEASURED += ["supply_voltage_v", "ambient_temperature_c", "load"]
PLANT_FAULTS = {
    "velocity in m/s": scaled("peak_velocity_mm_s", 0.001),
    "amplitude in cm": scaled("amplitude_mm", 0.1),
    "amplitude in inches": scaled("amplitude_mm", 1 / 25.4),
    "hall in °F": scaled("ambient_temperature_c", 1.8, 32),
    "coil in K": scaled("coil_temperature_c", 1, 273.15),
    "pulse in ms": scaled("pulse_s", 1000),
    "voltage is empty": valued("dead_column", "supply_voltage_v", np.nan),
    "coil stands still": valued("frozen_column", "coil_temperature_c", 38.5),
    "coil and voltage exchanged": exchanged("coil_temperature_c", "supply_voltage_v"),
    "amplitude and hall exchanged": exchanged("amplitude_mm", "ambient_temperature_c"),
    "rows shuffled": shuffled(MEASURED, "rig"),
}
WEATHER = ("temp", "atemp", "hum", "windspeed")
BIKE_STARTS = [datetime(2011, 5, 1, tzinfo=UTC) + timedelta(days=30 * n) for n in range(19)]
BIKES = {
    "temp in °F": scaled("temp", 1.8, 32),
    "temp not normalised": scaled("temp", 100),
    "wind in km/h": scaled("windspeed", 3.6),
    "wind in mph": scaled("windspeed", 2.2369362920544),
    "humidity is empty": valued("dead_column", "hum", np.nan),
    "temp stands still": valued("frozen_column", "temp", 0.5),
    "humidity and wind exchanged": exchanged("hum", "windspeed"),
    "rows shuffled": shuffled(list(WEATHER)),
}


def bike_rows(start):
    """Return eight weeks of the bike table before a moment, and two weeks since."""
    frame = pd.read_csv(DATA / "bike_sharing" / "hour.csv")
    times = pd.to_datetime(frame["dteday"]) + pd.to_timedelta(frame["hr"], unit="h")
    frame["event_time"] = times.dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    parts = []
    for low, high in ((start - timedelta(weeks=8), start), (start, start + timedelta(weeks=2))):
        part = frame[(frame["event_time"] >= low) & (frame["event_time"] < high)]
        parts.append(unlabelled(part[["event_time", *WEATHER]], WEATHER, ()))
    return parts
