"""Moments as numpy holds them (no zone, meant in UTC) and as tables hold them (with the zone)."""

from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Instants = NDArray[np.datetime64]


def instant(moment: datetime) -> np.datetime64:
    """Return a moment in UTC for numpy, in microseconds."""
    return np.datetime64(moment.replace(tzinfo=None), "us")


def utc(instants: Instants) -> pd.DatetimeIndex:
    """Return moments for a table, datetime64[us, UTC]."""
    return pd.DatetimeIndex(instants.astype("datetime64[us]")).tz_localize("UTC")
