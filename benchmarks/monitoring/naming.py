"""Whether the parameter that moved is named, and how near the truth its change is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module

import numpy as np
import pandas as pd

from benchmarks.monitoring.detection import LOOKS, Found, reference_end
from benchmarks.monitoring.lives import DAY, END, SERVES, Life
from ml_assets.core.change.grey_box import GreyBox
from ml_assets.core.change.naming import Question, name_change
from ml_assets.core.change.report import ChangeReport
from ml_assets.core.change.rows import ComparedRows
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import predict
from ml_assets.core.window import Window

SETTLED_IN = 5  # days of production before the first look at a life without change


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


def falsely_named(life: Life, version: Version) -> tuple[int, int]:
    """Return how often a life without change is said to have a parameter that moved, of its looks.

    Every day the last window of the drift rule is compared with all before, as at an alarm.
    """
    length = version.reference.window
    moments = [SERVES + day * DAY for day in range(SETTLED_IN, (END - SERVES) // DAY)]
    reports = [_report(life, version, now - length, now) for now in moments]
    return sum(one.parameter is not None for one in reports), len(reports)


def _look(life: Life, version: Version, told: Found, after: timedelta) -> Named:
    now, opened = told.told + after, told.episode.opened
    drifted = tuple(c for c in told.episode.columns if c in life.past.numeric)
    report = _report(life, version, opened, now, drifted=drifted)
    shift = report.parameter
    before = Window(SERVES, max(reference_end(opened, version.reference.window), SERVES))
    true = _true_change(life, shift.name, before, Window(opened, now)) if shift else float("nan")
    bounds = (shift.change, shift.low, shift.high) if shift else (float("nan"),) * 3
    return Named(after, report.kind, shift.name if shift else None, *bounds, true)


def _report(
    life: Life, version: Version, opened: datetime, now: datetime, *, drifted: tuple[str, ...] = ()
) -> ChangeReport:
    cut = max(reference_end(opened, version.reference.window), SERVES)
    return name_change(
        _compared(life, version, Window(SERVES, cut), now),
        _compared(life, version, Window(cut, now), now),
        Question(
            since=opened,
            until=now,
            drifted=drifted,
            signed=True,
            loss=lambda truth, answers: np.abs(np.asarray(answers) - np.asarray(truth)),
            ask=lambda frame: predict(version.model, frame, life.world.problem.task).values,
            metric="mean absolute error",
            grey_box=_grey_box(life),
            seed=life.seed,
        ),
    )


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
