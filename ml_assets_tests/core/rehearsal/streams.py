"""Streams of two rigs whose law may change at a known moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.past import Past
from ml_assets.core.window import Window, cut

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
BEGINS = START + 20 * DAY
DELAY = timedelta(hours=3)


def problem(**declared):
    return Problem.model_validate(
        {
            "name": "pump",
            "task": "regression",
            "source": {"kind": "files", "path": "pump.csv"},
            "time": {"columns": ["time"]},
            "partitions": {"start": "2024-01-01T00:00:00Z"},
            "label": {"column": "y", "delay": "PT3H"},
            "evaluation": {"folds": 4, "horizon": "P3D", "min_train_rows": 50},
            "baselines": [{"kind": "typical"}],
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
            "metrics": ["mae"],
            "monitoring": {"window": "PT12H", "min_rows": 100},
            **declared,
        }
    )


def past(*, days=40, change=None, seed=0, fault=None, wider=None):
    """Return rows every six minutes; the weight of the load doubles at ``change``.

    From ``fault`` on the load stands still. Before ``wider`` the noise is small for a positive
    heat and large for a negative one; from then on the heat is negative.
    """
    generator = np.random.default_rng(seed)
    rows = days * 240
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(rows) * np.timedelta64(
        6 * 60_000_000, "us"
    )
    load, heat = generator.normal(0, 1, (2, rows))
    weight = np.full(rows, 2.0)
    if change is not None:
        weight[times >= np.datetime64(change.replace(tzinfo=None), "us")] = 4.0
    spread = np.full(rows, 0.5)
    if wider is not None:
        late = times >= np.datetime64(wider.replace(tzinfo=None), "us")
        heat[late] = -np.abs(heat[late])
        spread = np.where(heat < 0, 2.0, 0.2)
    y = weight * load + heat + 10 + generator.normal(0, 1, rows) * spread
    if fault is not None:
        load[times >= np.datetime64(fault.replace(tzinfo=None), "us")] = 0.3
    known_at = times + np.timedelta64(int(DELAY.total_seconds() * 1e6), "us")
    frame = pd.DataFrame(
        {"event_time": pd.Series(times).dt.tz_localize("UTC"), "load": load, "heat": heat}
    )
    return Past(
        frame=frame,
        target="y",
        numeric=("load", "heat"),
        categorical=(),
        label_row=np.arange(rows),
        label=y,
        known_at=known_at,
        superseded_at=np.full(rows, np.datetime64("NaT", "us")),
    )


def corrected(rows, stretch, *, by, at):
    """Return a past in which the labels of a stretch turn out to be larger at a later moment."""
    part = rows.between(stretch)
    wrong = np.arange(part.start, part.stop)
    moment = np.datetime64(at.replace(tzinfo=None), "us")
    superseded_at = rows.superseded_at.copy()
    superseded_at[wrong] = moment
    label_row = np.r_[rows.label_row, wrong]
    order = np.argsort(label_row, kind="stable")
    return replace(
        rows,
        label_row=label_row[order],
        label=np.r_[rows.label, rows.label[wrong] + by][order],
        known_at=np.r_[rows.known_at, np.full(len(wrong), moment)][order],
        superseded_at=np.r_[superseded_at, np.full(len(wrong), np.datetime64("NaT", "us"))][order],
    )


def steps(days=40):
    return list(cut(Window(BEGINS, START + days * DAY), "day"))
