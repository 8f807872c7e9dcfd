"""What kind of problem a target makes, and which columns give it away."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from ml_assets.core.contract import Kind
from ml_assets.core.errors import DataError
from ml_assets.core.feature_query import quoted
from ml_assets.core.inference.durations import DAY, WEEK
from ml_assets.core.inference.kinds import TYPED
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.values import Doubt, Truth
from ml_assets.core.leakage import find_leaks
from ml_assets.core.problem import Task

MOST_CLASSES = 50
FEW_INTEGERS = 10
ROWS_A_CLASS = 20
SKEWED = 1.0
QUARTILES_APART = 1.349  # of a normal variable, in standard deviations
OUTLYING = 5.0  # a lognormal with a sigma of 1.5 is about there
LEAK_ROWS = 50_000
LEAK_ENTITIES = 300
ROUNDS = 5


def find_truth(
    texts: Texts, target: str, kind: Kind, *, delay: timedelta, task: Task | None = None
) -> tuple[Truth, list[Doubt]]:
    """Return what is to be learned.

    Args:
        texts: Holds the table ``typed``.
        target: The label.
        kind: Kind of its values.
        delay: Time until it is known.
        task: Task that the user names.

    Raises:
        DataError: If the target has one value, or is text with too many.
    """
    column = quoted(target)
    counts = texts.rows(
        f"SELECT CAST({column} AS VARCHAR), count(*) AS n FROM {TYPED} "
        f"WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MOST_CLASSES + 1}"
    )
    rows, distinct, whole = texts.row(
        f"SELECT count({column}), count(DISTINCT {column}), "
        f"bool_and(try_cast({column} AS DOUBLE) = trunc(try_cast({column} AS DOUBLE))) "
        f"FROM {TYPED}"
    )
    if distinct < 2:
        message = f"The target {target!r} has {distinct} value(s): there is nothing to learn."
        raise DataError(message)
    found = task or _task(kind, distinct, rows, whole=bool(whole))
    # 1.0 in the file is the class 1.
    classes = tuple(text.removesuffix(".0") if whole else text for text, _ in counts)
    classes = classes if found != "regression" else ()
    if len(classes) > MOST_CLASSES or (kind == "string" and found == "regression"):
        message = (
            f"The target {target!r} is text with {distinct:,} different values; a class needs "
            f"examples, and at most {MOST_CLASSES} classes are learned. Group them first."
        )
        raise DataError(message)
    doubts = []
    if task is None and found == "multiclass" and kind != "string":
        text = (
            f"{distinct} whole numbers are taken for classes. If they are amounts, ask for "
            "--task regression."
        )
        doubts.append(Doubt(target, text))
    truth_kind: Kind = "integer" if found != "regression" and kind == "float" and whole else kind
    skewed = outlying = False
    if found == "regression":
        skewed, outlying = _skewed(texts, column), _outlying(texts, column)
    if outlying:
        text = (
            "a few values are far away from all others, and weigh more than these in a squared "
            "error. If they are faults, give the column bounds in contract.py."
        )
        doubts.append(Doubt(target, text))
    return Truth(target, found, truth_kind, delay, classes, skewed, outlying), doubts


def _task(kind: Kind, distinct: int, rows: int, *, whole: bool) -> Task:
    if distinct == 2:
        return "binary"
    if kind == "string":
        return "multiclass"
    few = distinct <= FEW_INTEGERS and rows >= ROWS_A_CLASS * distinct
    return "multiclass" if few and whole else "regression"


def _skewed(texts: Texts, column: str) -> bool:
    low, skewness = texts.row(f"SELECT min({column}), skewness({column}) FROM {TYPED}")
    return low >= 0 and (skewness or 0) > SKEWED


def _outlying(texts: Texts, column: str) -> bool:
    """Say whether the deviation is many times that of the middle half, by a normal's measure."""
    deviation, quarter, three = texts.row(
        f"SELECT stddev({column}), quantile_cont({column}, 0.25), quantile_cont({column}, 0.75) "
        f"FROM {TYPED}"
    )
    middle = (three - quarter) / QUARTILES_APART
    return middle > 0 and (deviation or 0.0) > OUTLYING * middle


def find_late(
    texts: Texts, kinds: Mapping[str, Kind], truth: Truth, *, keys: Sequence[str], timed: bool
) -> dict[str, str]:
    """Return the columns that give the target away, with the formula that does.

    Args:
        texts: Holds the table ``typed``.
        kinds: Kinds of the contract's columns.
        truth: The label.
        keys: Columns that name the entity; none where each row has a key of its own.
        timed: Whether the event time is told by the rows, and not by their order.
    """
    late = _later_moments(texts, kinds)
    names = [name for name in dict.fromkeys((*kinds, *keys)) if name != truth.column]
    chosen = "".join(f", {quoted(name)}" for name in names)
    target = quoted(truth.column)
    for newest_first in ("DESC", "ASC"):
        frame = texts.frame(
            f"SELECT event_time, {target}{chosen} FROM {TYPED} WHERE event_time IS NOT NULL "
            f"AND {target} IS NOT NULL ORDER BY event_time {newest_first} LIMIT {LEAK_ROWS}"
        ).sort_values("event_time", kind="stable")
        if keys:  # previous values are sought entity by entity: some hundreds are enough
            frame = frame[frame.groupby(list(keys), sort=False).ngroup() < LEAK_ENTITIES]
        late.update(_leaks(frame.reset_index(drop=True), truth, keys, known=late, timed=timed))
    return late


def _leaks(
    frame: pd.DataFrame,
    truth: Truth,
    keys: Sequence[str],
    *,
    known: Mapping[str, str],
    timed: bool,
) -> dict[str, str]:
    moments = frame["event_time"].astype("datetime64[us, UTC]").astype("int64").unique()
    seconds = float(np.median(np.diff(moments))) / 1e6 if len(moments) > 1 else 0.0
    periods = {1}
    if seconds > 0:
        periods |= {max(1, round(length.total_seconds() / seconds)) for length in (DAY, WEEK)}
    if not timed:  # the length of a day is not known: the usual numbers of readings in one
        periods |= {24, 48, 96}
    label = frame[truth.column]
    if truth.task == "regression":
        label = label.astype("float64")
    rows = frame.drop(columns=["event_time", truth.column, *(n for n in known if n in frame)])
    amounts = rows.select_dtypes("float").columns
    rows[amounts] = rows[amounts].replace([np.inf, -np.inf], np.nan)
    late: dict[str, str] = {}
    for _ in range(ROUNDS):
        found = find_leaks(
            rows,
            label,
            task=truth.task,
            keys=keys,
            periods=tuple(sorted(p for p in periods if p < len(rows) / 4)),
        )
        named = {name: leak.formula for leak in found for name in leak.columns}
        if not named:
            break
        late.update(named)
        rows = rows.drop(columns=list(named))
    return late


def _later_moments(texts: Texts, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Return the moments that lie after the event: the end of a trip, the day of a payment."""
    late = {}
    for name, kind in kinds.items():
        if kind == "datetime":
            (after,) = texts.row(f"SELECT avg(({quoted(name)} > event_time)::INT) FROM {TYPED}")
            if (after or 0) > 0.01:
                late[name] = (
                    f"{name} lies after the event on {after:.0%} of the rows (if it says when a "
                    "row was received, declare it as time.known_at)"
                )
    return late
