"""Lives of the plant in virtual time: the rows of weeks, the first champion, what it then answers.

The same pure functions as live: features.sql runs over the readings that the contract lets through,
the first champion passes the declared gates, its windows are judged by the drift rule with the
labels that were known at each moment. There is no server, no lake and no run.
"""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import duckdb
import numpy as np
import pandas as pd

from ml_assets.components.loading import declared_problem
from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, show
from ml_assets.core.metrics import FloatArray
from ml_assets.core.rehearsal.fits import Fidelity, Fits
from ml_assets.core.rehearsal.live import World
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.rehearsal.service import Service
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import predict
from ml_assets.core.window import Window, cut
from ml_assets.plant import ORIGIN, SCENARIOS, Plant

DAY = timedelta(days=1)
HISTORY, QUIET, CHANGED = 14 * DAY, 10 * DAY, 14 * DAY
SERVES = ORIGIN + HISTORY
ONSET = SERVES + QUIET
END = ONSET + CHANGED
GARBAGE = (-999.0, 9999.0)  # what the contract rejects of the plant's readings
CHANGES = tuple(name for name, scenario in SCENARIOS.items() if scenario.parameter is not None)
QUICK = Fidelity(rows=3000, trees=40)


@dataclass(frozen=True, eq=False)
class Life:
    """One plant from its first day: history, quiet production, and then perhaps a change.

    Attributes:
        scenario: What happens, from ``ONSET`` on.
        seed: Of the plant, the models and the audit.
        past: All rows and labels.
        world: What policies share.
    """

    scenario: str
    seed: int
    past: Past
    world: World

    @classmethod
    def of(cls, scenario: str, seed: int, *, end: datetime = END) -> "Life":
        """Let a plant live."""
        problem = declared_problem("plant").problem.model_copy(update={"seed": seed})
        past = past_of(plant_of(scenario, seed), Window(ORIGIN, end))
        fits = Fits({}, fidelity=QUICK, clock=time.process_time)
        steps = tuple(cut(Window(SERVES, end), "day"))
        return cls(scenario, seed, past, World(problem, past, steps, fits, seed))

    @property
    def plant(self) -> Plant:
        """The plant itself, whose truth may be asked."""
        return plant_of(self.scenario, self.seed)

    def first_champion(self) -> Version:
        """Return the version that the gates let through on the history."""
        trial, _ = self.world.trial(SERVES, None, None)
        if trial.decision is None or not trial.decision.promote:
            message = f"Seed {self.seed} has no first champion: {trial.decision}"
            raise RuntimeError(message)
        return trial.version

    def service(self, version: Version) -> Service:
        """Return what a version answers from the first day of production on."""
        return self.world.service(version, SERVES)

    @cached_property
    def truth(self) -> FloatArray:
        """Label of each row, NaN where none ever came."""
        return pd.to_numeric(pd.Series(self.past.last_labels()), errors="coerce").to_numpy(float)

    def answers(self, version: Version, rows: slice) -> FloatArray:
        """Return what a version says of some rows."""
        frame = self.past.frame.iloc[rows]
        return predict(version.model, frame, self.world.problem.task).values

    def labels_at(self, rows: slice, moment: datetime) -> FloatArray:
        """Return the labels of some rows that were known at a moment, NaN for the others."""
        found = np.full(rows.stop - rows.start, np.nan)
        known = self.past.labels_known(rows, moment)
        found[known.rows - rows.start] = known.labels.astype(float)
        return found


def plant_of(scenario: str, seed: int) -> Plant:
    """Return the plant to which something happens from ``ONSET`` on."""
    if SCENARIOS[scenario].parameter is None:
        return Plant(scenario, seed=seed)
    return Plant(f"{scenario}@P{(ONSET - ORIGIN).days}D", seed=seed)


def past_of(plant: Plant, window: Window) -> Past:
    """Return the plant's rows and labels as the feature table and the labels table hold them."""
    declared = declared_problem("plant")
    problem = declared.problem
    readings = plant.readings(window).rename(columns={"measured_at": "event_time"})
    numbers = readings.select_dtypes("number")
    readings = readings[~numbers.isin(GARBAGE).any(axis=1)]
    labels = plant.labels(window).rename(columns={"measured_at": "event_time"})
    labels = labels.merge(readings[["rig", "event_time"]], on=["rig", "event_time"])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        readings = readings.assign(known_at=readings["event_time"])
        for name, frame in (
            (ALL_ROWS, readings),
            (ALL_LABELS, labels),
            ("rigs", plant.rig_table()),
        ):
            connection.register(f"given_{name}", frame)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given_{name}")
        show(connection, window, declared.history, known_by=window.end)
        query = declared.query
        rows = run_features(connection, query.between(window), identity=query.identity)
    places = rows.frame[["rig", "event_time"]].assign(place=np.arange(len(rows.frame)))
    labels = labels.merge(places, on=["rig", "event_time"]).sort_values("place")
    return Past(
        frame=rows.frame,
        target=problem.label.column,
        numeric=rows.numeric,
        categorical=rows.categorical,
        label_row=labels["place"].to_numpy(np.intp),
        label=labels[problem.label.column].to_numpy(float),
        known_at=_plain(labels["known_at"]),
        superseded_at=np.full(len(labels), np.datetime64("NaT", "us")),
    )


def _plain(column: pd.Series) -> np.ndarray:
    return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
