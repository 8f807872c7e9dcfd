"""Rows whose clock is off: the course of the day comes some hours too early or too late."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.moment import first_moment
from ml_assets.core.change.rows import ComparedRows

HOURS = 24
SHARE_OF_DAY = (0.2, 0.99)  # of the variance: above, the column is a clock itself
CLEAR = 0.8  # correlation of the shifted course
BETTER = 0.3  # than the unshifted one
LEAST_SPAN = timedelta(days=1, hours=12)


def shifted_clock(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield one fault where all courses of the day are shifted by the same hours."""
    times = recent.times
    if not len(times) or times[-1] - times[0] < np.timedelta64(LEAST_SPAN):
        return
    courses = {}
    for name in reference.numeric:
        before, share = _course(reference, name)
        since, _ = _course(recent, name)
        if SHARE_OF_DAY[0] <= share <= SHARE_OF_DAY[1] and np.isfinite(before + since).all():
            courses[name] = [_alike(before, np.roll(since, -hours)) for hours in range(HOURS)]
    if not courses:
        return
    mean = np.mean(list(courses.values()), axis=0)
    hours = int(np.argmax(mean))
    if mean[hours] < CLEAR or mean[0] > mean[hours] - BETTER:
        return
    off = hours if hours <= HOURS // 2 else hours - HOURS
    says = f"come {abs(off)} hours too {'late' if off > 0 else 'early'}: a time zone?"
    yield Fault("shifted_clock", tuple(courses), first_moment(recent, 0), says)


def _course(rows: ComparedRows, name: str) -> tuple[FloatArray, float]:
    """Return the mean of each hour of the day, and the share of the variance it explains."""
    hour = (rows.times.astype("datetime64[h]").astype(np.int64) % HOURS).astype(np.intp)
    values = pd.Series(rows.numbers(name))
    centred = values - values.groupby(rows.entity).transform("mean")
    means = centred.groupby(hour).mean().reindex(range(HOURS)).to_numpy()
    spread = centred.var()
    explained = pd.Series(means[hour]).var() / spread if spread > 0 else 0.0
    return means, float(explained)


def _alike(one: FloatArray, other: FloatArray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
