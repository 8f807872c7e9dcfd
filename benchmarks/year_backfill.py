"""A year of daily partitions of the plant in one run, against the same work as one plain script.

Both make the readings, clean them, build the features, fit and judge the same configurations on the
same folds. The plain script keeps nothing: no raw text, no rejected rows, no versions, no checks.

    python -m benchmarks.year_backfill [--days 365]
"""

import argparse
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.window import Window
from ml_assets.plant import Plant
from ml_assets.storage.workspace import Workspace

DAY = timedelta(days=1)
LATE = timedelta(hours=3)
BOUNDS = {
    "amplitude_mm": (0, 200),
    "period_s": (0, 5),
    "peak_velocity_mm_s": (0, 5000),
    "offset_mm": (-100, 100),
    "coil_temperature_c": (-40, 200),
    "supply_voltage_v": (0, 100),
    "ambient_temperature_c": (-40, 60),
}


def graph(window):
    declared = declared_problem("plant")
    partitions = declared.problem.partitions.model_copy(update={"start": window.start})
    declared = replace(
        declared, problem=declared.problem.model_copy(update={"partitions": partitions})
    )
    with TemporaryDirectory() as folder, instance_in(folder) as instance:
        runner = ProblemRunner(declared, Workspace(Path(folder) / "home"), instance)
        began = time.perf_counter()
        result = runner.run("pipeline", window, assets=CORE)
        seconds = time.perf_counter() - began
        steps = {
            event.step_key.removeprefix("plant__"): event.step_success_data.duration_ms / 1000
            for event in result.all_events
            if event.is_step_success
        }
    return seconds, steps


def instance_in(folder):
    """Return an instance with the storage of ``dagster.yaml``, in another folder."""
    storage = yaml.safe_load(Path("dagster.yaml").read_text("utf-8"))["storage"]
    storage["custom"]["config"]["base_dir"] = folder
    quiet = {"storage": storage, "telemetry": {"enabled": False}}
    return dg.DagsterInstance.local_temp(folder, overrides=quiet)


CORE = [
    "raw_data",
    "raw_labels",
    "reference_rigs",
    "validated_data",
    "rejected_rows",
    "column_statistics",
    "labels",
    "feature_table",
    "training_set",
    "baseline_models",
    "candidate_models",
    "evaluation_report",
    "champion",
]


def plain(window):
    began = time.perf_counter()
    plant = Plant("quiet")
    rows, labels, rigs = plant.readings(window), plant.labels(window), plant.rig_table()
    whole = np.ones(len(rows), dtype=bool)
    for name, (low, high) in BOUNDS.items():
        whole &= (rows[name].isna() | rows[name].between(low, high)).to_numpy()
    validated = rows[whole].drop_duplicates(["rig", "measured_at"], keep="last")
    sql = (Path("ml_assets/defs/plant") / "features.sql").read_text("utf-8")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rigs", rigs)
        connection.register(
            "validated_data", validated.rename(columns={"measured_at": "event_time"})
        )
        features = connection.execute(sql).df()
    labels = labels.rename(columns={"measured_at": "event_time"})
    frame = features.merge(labels, on=["rig", "event_time"]).sort_values("event_time")
    frame = frame[frame["known_at"] <= window.end]
    frame = frame[frame["event_time"] >= window.end - 31 * DAY].reset_index(drop=True)
    losses = {name: [] for name in ("boosted", "boosted_recent", "ridge", "typical")}
    starts = [window.end - LATE - (4 - n) * timedelta(hours=12) for n in range(4)]
    for start in [*starts, window.end]:
        known = frame[(frame["known_at"] <= start) & (frame["event_time"] >= start - 28 * DAY)]
        test = frame[(frame["event_time"] >= start) & (frame["event_time"] < start + DAY / 2)]
        for name, model in fitted(known).items():
            if len(test):
                error = model.predict(test) - test["next_amplitude_mm"]
                losses[name].append(error.abs().mean())
        if len(test):
            typical = known["next_amplitude_mm"].median()
            losses["typical"].append((test["next_amplitude_mm"] - typical).abs().mean())
    return time.perf_counter() - began, {name: float(np.mean(v)) for name, v in losses.items()}


def fitted(known):
    texts = ["load", "rig_name", "spring_batch", "surface"]
    apart = {"rig", "event_time", "known_at", "next_amplitude_mm", *texts}
    numbers = [name for name in known.columns if name not in apart]
    age = (known["event_time"].max() - known["event_time"]) / pd.Timedelta(DAY)
    models = {}
    for name in ("boosted", "boosted_recent", "ridge"):
        filled = "passthrough"
        estimator = HistGradientBoostingRegressor(
            max_iter=80, learning_rate=0.15, random_state=0, early_stopping=False
        )
        if name == "ridge":
            filled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
            estimator = Ridge()
        coded = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        inputs = ColumnTransformer([("n", filled, numbers), ("t", coded, texts)])
        model = make_pipeline(inputs, estimator)
        weights = {}
        if name == "boosted_recent":
            weights = {f"{model.steps[-1][0]}__sample_weight": 0.5**age}
        with threadpool_limits(limits=1):
            models[name] = model.fit(known, known["next_amplitude_mm"], **weights)
    return models


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    days = parser.parse_args().days
    end = datetime.now(tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    window = Window(end - days * DAY, end)
    script, losses = plain(window)
    print(f"plain script: {script:.0f} s, MAE {losses}")
    seconds, steps = graph(window)
    print(f"graph: {seconds:.0f} s for {days} partitions in one run, ratio {seconds / script:.2f}")
    for step, taken in sorted(steps.items(), key=lambda item: -item[1])[:12]:
        print(f"  {taken:6.1f} s  {step}")


if __name__ == "__main__":
    main()
