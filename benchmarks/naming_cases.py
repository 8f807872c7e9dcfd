"""Cases with a known answer: what is injected into the plant and into real tables."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from ml_assets.core.change.naming import Question
from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.drift import decide
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference
from ml_assets.core.window import Window
from ml_assets.defs.plant.physics import RigPhysics
from ml_assets.plant import ORIGIN, Plant

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TRAINED, JUDGED, ONSET, END = (ORIGIN + days * DAY for days in (6, 6, 13, 19))
RULE = Monitoring(window=timedelta(hours=6), min_rows=200)
LABEL_DELAY = timedelta(hours=3)
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
DATA = Path(os.environ.get("ML_ASSETS_DATA_DIR", "../shared/data"))


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

    def __init__(self, seed):
        self.seed = seed
        quiet = plant_rows(Plant("quiet", seed=seed), Window(ORIGIN, ONSET))
        trained = quiet[quiet["event_time"] < TRAINED]
        self.model = Learned(trained, NUMBERS, TEXTS, "next_amplitude_mm")
        self.before = self.answered(quiet[quiet["event_time"] >= JUDGED])
        self.watch = Watch(self.before)

    def answered(self, frame):
        return self.model.answered(frame, "next_amplitude_mm", "rig")

    def production(self, scenario):
        plant = Plant(f"{scenario}@P13D" if scenario != "quiet" else "quiet", seed=self.seed)
        return self.answered(plant_rows(plant, Window(ONSET, END)))

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


class Watch:
    """The drift rule on features, prediction and residuals, window by window."""

    def __init__(self, before):
        frame = watched(before)
        kinds = dict.fromkeys(NUMBERS, "float") | dict.fromkeys(TEXTS, "string")
        kinds |= dict.fromkeys(("prediction", "residual", "absolute_residual"), "float")
        roles = {name: name for name in ("prediction", "residual", "absolute_residual")}
        rows = int(len(frame) * RULE.window / (ONSET - JUDGED))
        self.reference = Reference.fit(
            frame, kinds, roles=roles, window=RULE.window, window_rows=rows, windows=40
        )
        self.quiet = self.counts(frame)

    def counts(self, frame):
        starts = frame["event_time"].dt.floor("6h")
        return [
            WindowCounts.of(part, self.reference.bins, start=start.to_pydatetime())
            for start, part in frame.groupby(starts)
        ]

    def verdicts(self, rows):
        """Yield the start and the drifted columns of each window that drifted."""
        seen = list(self.quiet)
        for counts in self.counts(watched(rows)):
            seen.append(counts)
            verdict = decide(self.reference, seen, RULE)
            if verdict.state == "drift":
                yield verdict.window_start, tuple(sorted({f.column for f in verdict.drifted}))


def watched(rows):
    residual = rows.prediction - rows.truth
    return rows.frame.assign(
        prediction=rows.prediction, residual=residual, absolute_residual=np.abs(residual)
    )


def until(rows, moment, *, delay=LABEL_DELAY):
    """Return the rows up to a moment, with the labels that had come by then."""
    kept = rows.at(np.flatnonzero((rows.frame["event_time"] < moment).to_numpy()))
    unknown = (kept.frame["event_time"] > moment - delay).to_numpy()
    return replace(
        kept, truth=np.where(unknown, np.nan, kept.truth), loss=np.where(unknown, np.nan, kept.loss)
    )
