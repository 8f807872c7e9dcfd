"""A stretch of rows that came before already: a file that was delivered twice under new times.

Columns that repeat by themselves do not count.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.recurrence import recurs
from ml_assets.core.change.rows import ComparedRows

LEAST_ROWS = 20
LEAST_COLUMNS = 2
REPEATED = 0.8  # of the rows of the stretch
MANY_VALUES = 0.2  # distinct values a row: below, values repeat anyway
MOST_MATCHES = 50  # a value that is seen more often says nothing


def repeated_rows(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield one fault where recent rows repeat earlier ones, all at the same distance in time."""
    found: dict[pd.Timedelta, dict[str, pd.Series]] = {}
    for name in reference.numeric:
        values = reference.numbers(name)
        present = values[np.isfinite(values)]
        if len(np.unique(present)) < MANY_VALUES * max(len(present), 1):
            continue
        past, now = _named(name, reference), _named(name, recent)
        for lag, times in _stretches(past, now):
            if recurs(past, times, lag):
                continue
            found.setdefault(lag, {})[name] = times
    if not found:
        return
    lag, columns = max(found.items(), key=lambda one: len(one[1]))
    if len(columns) < LEAST_COLUMNS:
        return
    since = min(times.min() for times in columns.values()).to_pydatetime()
    says = f"repeat what they showed {lag} earlier"
    yield Fault("repeated_rows", tuple(sorted(columns)), since, says)


def _stretches(past: pd.DataFrame, now: pd.DataFrame) -> Iterator[tuple[pd.Timedelta, pd.Series]]:
    both = pd.concat([past, now], ignore_index=True)
    seen = both.groupby(["entity", "value"])["time"].transform("size") <= MOST_MATCHES
    pairs = now.merge(both[seen], on=["entity", "value"], suffixes=("", "_before"))
    lags = pairs["time"] - pairs["time_before"]
    lags = lags[lags > pd.Timedelta(0)]
    if lags.empty:
        return
    lag = lags.mode().iloc[0]
    times = pairs.loc[lags.index[lags == lag], "time"].sort_values()
    inside = now["time"].between(times.iloc[0], times.iloc[-1]).sum()
    if len(times) >= max(LEAST_ROWS, REPEATED * inside):
        yield lag, times


def _named(name: str, rows: ComparedRows) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"entity": rows.entity, "value": rows.numbers(name), "time": rows.frame["event_time"]}
    )
    return frame.dropna(subset=["value"])
