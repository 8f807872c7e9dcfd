"""Where numbers are cut by what is asked of them later, found by bisection, to the bit."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml_assets.core.compiled.probe import Probe

_SIGN = np.uint64(1 << 63)
_ONE = np.uint64(1)


class Asked(NamedTuple):
    """Whether a column of the matrix is greater than thresholds.

    Attributes:
        position: Of the column.
        source: Position of the numeric input that it is computed of.
        thresholds: Ascending.
    """

    position: int
    source: int
    thresholds: np.ndarray


def cuts(asked: Sequence[Asked], probe: Probe, bound: float) -> dict[int, list[float]]:
    """Return numbers of each input, so that at most that and beyond it the answers differ.

    Args:
        asked: The questions. A column must rise or fall with its input, or stay.
        probe: Says what columns are made of inputs.
        bound: Numbers are between minus this and this.

    Raises:
        DataError: If a number between them is refused.
    """
    if not asked:
        return {}
    column = np.concatenate([np.full(len(one.thresholds), one.position) for one in asked])
    source = np.concatenate([np.full(len(one.thresholds), one.source) for one in asked])
    threshold = np.concatenate([one.thresholds for one in asked])
    row = _rank_within(source)

    def values(ordered: np.ndarray) -> np.ndarray:
        numbers = probe.usual(int(row.max()) + 1)
        numbers[row, source] = _numbers(ordered)
        return probe.prepared(numbers)[row, column]

    low = np.full(len(threshold), _ordered(-bound))
    high = np.full(len(threshold), _ordered(bound))
    at_low, at_high = values(low), values(high)
    rises = at_high >= at_low

    def is_beyond(found: np.ndarray) -> np.ndarray:
        return np.where(rises, found > threshold, found <= threshold)

    within = ~is_beyond(at_low) & is_beyond(at_high)
    while (high - low > _ONE).any():
        middle = low + (high - low) // np.uint64(2)
        beyond = is_beyond(values(middle))
        high, low = np.where(beyond, middle, high), np.where(beyond, low, middle)
    found: dict[int, list[float]] = defaultdict(list)
    for one, cut in zip(source[within].tolist(), _numbers(low[within]).tolist(), strict=True):
        found[one].append(cut)
    return found


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """Return how many earlier elements are of the same group."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.searchsorted(ordered, ordered)
    rank = np.empty(len(groups), dtype=np.intp)
    rank[order] = np.arange(len(groups)) - starts
    return rank


def _ordered(number: float) -> np.uint64:
    """Return the place of a float among all floats."""
    bits = np.float64(number).view(np.uint64)
    return ~bits if bits & _SIGN else bits | _SIGN


def _numbers(ordered: np.ndarray) -> np.ndarray:
    """Return the floats at some places."""
    return np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).view(np.float64)
