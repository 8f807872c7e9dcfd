"""Columns that repeat by themselves: the time of day or of the week, a cycle of the machine.

They show the same values again without a file having been delivered twice. Where the reference is
too short to tell, a repetition that the calendar would explain is not called a fault.
"""

import pandas as pd

LEAST_PAIRS = 20
REPEATED = 0.8  # of the pairs, or of the rows
DAY, WEEK = pd.Timedelta(days=1), pd.Timedelta(days=7)


def recurs(past: pd.DataFrame, times: pd.Series, lag: pd.Timedelta) -> bool:
    """Say whether a column repeats by itself, or may do so.

    Args:
        past: The column in the reference: ``entity``, ``value`` and ``time``, in order of time.
        times: Moments of later rows whose values were there a ``lag`` before.
        lag: How long before.
    """
    if _settles(past, _phase(past["time"], lag)):
        return True
    for place in (_of_day, _of_week, _of_month, _of_year):
        settles = _settles(past, place(past["time"]))
        explains = (place(times) == place(times - lag)).mean() >= REPEATED
        if settles or (settles is None and explains):
            return True
    return False


def _settles(past: pd.DataFrame, place: pd.Series) -> bool | None:
    """Say whether an entity shows the same value at the same place; None where few come twice."""
    before = past["value"].groupby([past["entity"], place]).shift()
    twice = before.notna()
    if twice.sum() < LEAST_PAIRS:
        return None
    return bool((before == past["value"])[twice].mean() >= REPEATED)


def _phase(times: pd.Series, period: pd.Timedelta) -> pd.Series:
    return times - times.dt.floor(period)


def _of_day(times: pd.Series) -> pd.Series:
    return _phase(times, DAY)


def _of_week(times: pd.Series) -> pd.Series:
    return _phase(times, WEEK)


def _of_month(times: pd.Series) -> pd.Series:
    return times.dt.day * DAY + _of_day(times)


def _of_year(times: pd.Series) -> pd.Series:
    return times.dt.dayofyear * DAY + _of_day(times)
