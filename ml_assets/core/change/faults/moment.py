"""From which row on values are drawn from another distribution."""

from datetime import UTC, datetime

import numpy as np

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.rows import ComparedRows

BINS = 40
LEAST_SHARE = 1e-4


def switch(before: FloatArray, after: FloatArray, values: FloatArray) -> int:
    """Return the position from which ``values`` rather look like ``after`` than like ``before``.

    It is the one that makes them likeliest, both distributions taken as histograms.

    Args:
        before: A sample.
        after: Another sample.
        values: In order of time; NaN says nothing.

    Returns:
        From 0 to the number of values: then nothing has changed.

    Example:
        >>> ramp = np.linspace(0, 1, 100)
        >>> switch(ramp, ramp + 5, np.r_[ramp[:30], ramp + 5])
        30
    """
    both = np.r_[before[np.isfinite(before)], after[np.isfinite(after)]]
    edges = np.unique(np.quantile(both, np.linspace(0, 1, BINS + 1)[1:-1]))
    gain = np.log(_shares(after, edges)) - np.log(_shares(before, edges))
    known = np.isfinite(values)
    steps = np.zeros(len(values))
    steps[known] = gain[np.searchsorted(edges, values[known], side="right")]
    rest = np.r_[np.cumsum(steps[::-1])[::-1], 0.0]
    return int(np.argmax(rest))


def first_moment(rows: ComparedRows, position: int) -> datetime:
    """Return the moment of a row in UTC."""
    return rows.frame["event_time"].iloc[position].to_pydatetime().astimezone(UTC)


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    present = values[np.isfinite(values)]
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    return np.maximum(counts / max(len(present), 1), LEAST_SHARE)
