"""Small problems and training sets with known truth, for the tests of learning and judging."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from ml_assets.core.problem import Problem
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet

START = datetime(2024, 1, 1, tzinfo=UTC)
RIDGE = {"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}
LOGISTIC = {"name": "logistic", "estimator": "sklearn.linear_model.LogisticRegression"}


def problem(task="regression", **declared):
    return Problem.model_validate(
        {
            "name": "pump",
            "task": task,
            "source": {"kind": "files", "path": "pump.csv"},
            "time": {"columns": ["time"]},
            "partitions": {"start": "2024-01-01T00:00:00Z"},
            "label": {"column": "y", "delay": "PT6H"},
            "evaluation": {"folds": 3, "horizon": "P5D", "min_train_rows": 50},
            "baselines": [{"kind": "typical"}, {"kind": "persistence"}],
            "candidates": [RIDGE if task == "regression" else LOGISTIC],
            **declared,
        }
    )


def training_set(task="regression", *, rows=720, seed=0, noise=0.5, delay=timedelta(hours=6)):
    """Hourly rows of two rigs; the label follows the load, and a little the rig."""
    generator = np.random.default_rng(seed)
    hours = np.arange(rows) // 2
    event_time = (pd.Timestamp(START) + pd.to_timedelta(hours, unit="h")).as_unit("us")
    load = generator.normal(0, 1, rows)
    heat = np.sin(hours / 24 * 2 * np.pi) + generator.normal(0, 0.1, rows)
    rig = np.where(np.arange(rows) % 2 == 0, "a", "b").astype(object)
    signal = 2.0 * load + heat + (rig == "b") + 10.0 + generator.normal(0, noise, rows)
    match task:
        case "regression":
            y = signal
        case "binary":
            y = (signal > 10.5).astype(int)
        case "multiclass":
            y = np.array(["high", "low", "mid"], dtype=object)[np.digitize(signal, [9.5, 11.5])]
    load[generator.random(rows) < 0.05] = np.nan
    rig[generator.random(rows) < 0.05] = None
    frame = pd.DataFrame(
        {
            "machine": np.arange(rows) % 2,
            "event_time": event_time,
            "label_known_at": event_time + delay,
            "y": y,
            "load": load,
            "heat": heat,
            "rig": rig,
            "baseline__persistence": pd.Series(y).shift(14),
        }
    )
    cutoff = frame["label_known_at"].max().to_pydatetime()
    return TrainingSet(frame, "y", ("load", "heat"), ("rig",), cutoff)


def configurations(declared):
    """Every candidate and baseline of a problem, as declared."""
    return [
        *map(Configuration.of_candidate, declared.candidates),
        *(Configuration.of_baseline(one, declared.task) for one in declared.baselines),
    ]
