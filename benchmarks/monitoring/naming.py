"""Whether the parameter that moved is named, and how near the truth its change is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module

import numpy as np
import pandas as pd

from benchmarks.monitoring.detection import LOOKS, Found, reference_end
from benchmarks.monitoring.lives import SERVES, Life
from ml_assets.core.change.grey_box import GreyBox
from ml_assets.core.change.naming import Question, name_change
from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import predict
from ml_assets.core.window import Window


@dataclass(frozen=True)
class Named:
    """What the change report said at one look.

    Attributes:
        after: Time since drift was told.
        kind: Kind of change.
        parameter: Parameter that it named; None if none.
        change: Told change of the parameter, in its unit.
        low: Lower bound.
        high: Upper bound.
        true_change: What the parameter had changed by, in the mean of the compared stretches.
    """

    after: timedelta
    kind: str
    parameter: str | None
    change: float
    low: float
    high: float
    true_change: float


def named(life: Life, version: Version, told: Found) -> list[Named]:
    """Read the change report at every look."""
    if told.told is None or told.episode is None:
        return []
    return [_look(life, version, told, after) for after in LOOKS]


def _look(life: Life, version: Version, told: Found, after: timedelta) -> Named:
    now = told.told + after
    episode = told.episode
    cut = reference_end(episode, version.reference.window)
    before, since = Window(SERVES, max(cut, SERVES)), Window(max(cut, SERVES), now)
    report = name_change(
        _compared(life, version, before, now),
        _compared(life, version, since, now),
        Question(
            since=episode.opened,
            until=now,
            drifted=tuple(c for c in episode.columns if c in life.past.numeric),
            signed=True,
            loss=lambda truth, answers: np.abs(np.asarray(answers) - np.asarray(truth)),
            ask=lambda frame: predict(version.model, frame, life.world.problem.task).values,
            metric="mean absolute error",
            grey_box=_grey_box(life),
            seed=life.seed,
        ),
    )
    shift = report.parameter
    since = Window(episode.opened, now)
    true = float("nan") if shift is None else _true_change(life, shift.name, before, since)
    bounds = (shift.change, shift.low, shift.high) if shift else (float("nan"),) * 3
    return Named(after, report.kind, shift.name if shift else None, *bounds, true)


def _compared(life: Life, version: Version, window: Window, now: datetime) -> ComparedRows:
    rows = life.past.between(window)
    frame = life.past.frame.iloc[rows].reset_index(drop=True)
    answers, truth = life.answers(version, rows), life.labels_at(rows, now)
    return ComparedRows(
        frame=frame,
        numeric=life.past.numeric,
        categorical=life.past.categorical,
        entity=frame["rig"].to_numpy(object),
        prediction=answers,
        truth=truth,
        loss=np.abs(answers - truth),
    )


def _grey_box(life: Life) -> GreyBox:
    module, _, name = life.world.problem.grey_box.rpartition(".")
    return getattr(import_module(module), name)()


def _true_change(life: Life, parameter: str, before: Window, since: Window) -> float:
    means = [life.plant.truth(window)[parameter].mean() for window in (before, since)]
    return float(pd.Series(means).diff().iloc[-1])
