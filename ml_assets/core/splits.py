"""Walk-forward folds: each is trained on what was known before it starts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.errors import DataError
from ml_assets.core.problem import Evaluation
from ml_assets.core.window import Window

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Fold:
    """One step of the walk.

    Attributes:
        train: Positions of the training rows, ascending.
        test: Positions of the test rows, ascending.
        train_cutoff: Nothing known after it is trained on: the start of the test window.
        window: Event times of the test rows.
    """

    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]
    train_cutoff: datetime
    window: Window


def folds(
    event_time: pd.Series,
    label_known_at: pd.Series,
    evaluation: Evaluation,
    label_delay: timedelta,
    cutoff: datetime,
    *,
    change: datetime | None = None,
) -> list[Fold]:
    """Return the folds in order of time: the last ones of the declared horizon that are possible.

    A row is trained on if its label was known when the fold starts, and if it happened more than
    the gap before, so that what its label looks ahead to and the fold do not overlap.

    Args:
        event_time: When each row happened, datetime64[us, UTC].
        label_known_at: When each row's label became known, of the same index.
        evaluation: How many folds, how long, and with what gap (by default the label delay).
        label_delay: The declared delay of the labels.
        cutoff: Rows with labels known after it are not used at all.
        change: When the world changed. Folds then are short enough to lie after it, and the first
            one is trained on some rows from after it.

    Raises:
        DataError: If not even one fold has enough rows before it.
    """
    known = (label_known_at <= cutoff).to_numpy()
    if not known.any():
        message = f"No label was known at {cutoff}: there is nothing to evaluate on yet."
        raise DataError(message)
    gap = label_delay if evaluation.gap is None else evaluation.gap
    end = _moment(event_time[known].max()) + _TICK
    horizon = evaluation.horizon
    if change is not None:
        horizon = min(horizon, (end - change - gap) / (evaluation.folds + 1))
        if horizon <= timedelta(0):
            message = f"No label of a row from after the change at {change} was known at {cutoff}."
            raise DataError(message)
    found: list[Fold] = []
    most_train = 0
    for _ in range(evaluation.folds):
        window = Window(end - horizon, end)
        end = window.start
        fold = _fold(event_time, label_known_at, known, window, gap)
        most_train = max(most_train, len(fold.train))
        if len(fold.train) < evaluation.min_train_rows:
            break  # earlier folds have fewer rows still
        if len(fold.test):
            found.append(fold)
    if not found:
        message = (
            f"Walk-forward evaluation needs {evaluation.min_train_rows} rows whose labels were "
            f"known before the last {evaluation.horizon} (with a gap of {gap}); there are "
            f"{most_train} of {int(known.sum())} labelled rows. Materialise more partitions, or "
            f"shorten evaluation.horizon or lower evaluation.min_train_rows."
        )
        raise DataError(message)
    return found[::-1]


def with_several_classes(walk: list[Fold], labels: np.ndarray) -> list[Fold]:
    """Return the folds whose training rows hold more than one class: others teach nothing.

    Example:
        >>> with_several_classes([], np.array(["up", "down"]))
        []
    """
    return [fold for fold in walk if len(np.unique(labels[fold.train])) > 1]


def _fold(
    event_time: pd.Series,
    label_known_at: pd.Series,
    known: npt.NDArray[np.bool_],
    window: Window,
    gap: timedelta,
) -> Fold:
    before = (event_time < window.start - gap) & (label_known_at <= window.start)
    inside = (event_time >= window.start) & (event_time < window.end)
    return Fold(
        np.flatnonzero(before.to_numpy() & known),
        np.flatnonzero(inside.to_numpy() & known),
        window.start,
        window,
    )


def _moment(stamp: pd.Timestamp) -> datetime:
    return stamp.to_pydatetime().astimezone(UTC)
