"""Rows cut into windows between two looks, and these into blocks that one bets on."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.conformal import FloatArray

WINDOW_ROWS = 20
WINDOWS = 100  # that are looked back on, at most
LOCAL_ROWS = 100
SHORTEST, LONGEST = 2, 200
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of rows in order of time.

    Attributes:
        parts: The rows of each window.
        edges: First row of each block, ascending; shape (b,).
        windows: Number of the window of each block, shape (b,).
        starts: Event time of each block's first row, shape (b,).
        end: Where the last block ends.
    """

    parts: tuple[slice, ...]
    edges: npt.NDArray[np.intp]
    windows: npt.NDArray[np.intp]
    starts: Times
    end: int

    @classmethod
    def of(cls, times: Times, window: timedelta, *, rows: int) -> Self:
        """Cut rows into windows, each long enough to hold some rows, and these into blocks.

        Args:
            times: Event times of the rows, ascending, shape (n,).
            window: Time between two looks.
            rows: Of a block.
        """
        parts = tuple(_windows(times, window))
        edges = [np.arange(part.start, part.stop, rows) for part in parts]
        windows = np.repeat(np.arange(len(parts)), [len(some) for some in edges])
        joined = np.concatenate(edges) if edges else np.empty(0, dtype=np.intp)
        return cls(parts, joined, windows, times[joined], parts[-1].stop if parts else 0)

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sum of each block, shape (b,)."""
        if not len(self.edges):
            return np.empty(0)
        return np.add.reduceat(values[: self.end], self.edges)

    def chosen(self, blocks: npt.NDArray[np.bool_]) -> Self:
        """Return some of the blocks, for what was summed before."""
        return type(self)(
            self.parts, self.edges[blocks], self.windows[blocks], self.starts[blocks], self.end
        )


def resembling(values: FloatArray) -> int:
    """Return how many neighbouring rows resemble each other: the length of a block.

    It is twice the ratio ``(1 + r) / (1 - r)`` by which a correlation r of neighbours lengthens a
    sample. The correlation is that of what is left after a local mean, so that a change of the
    mean is not taken for one.
    """
    count = len(values)
    if count < 2 * LOCAL_ROWS:
        return SHORTEST
    whole = values[: count // LOCAL_ROWS * LOCAL_ROWS].reshape(-1, LOCAL_ROWS)
    apart = whole - whole.mean(axis=1, keepdims=True)
    squares = (apart**2).sum(axis=1)
    products = (apart[:, 1:] * apart[:, :-1]).sum(axis=1)
    known = squares > 0
    if not known.any():
        return SHORTEST
    # A local mean takes about (1 + 4 r) / n of the correlation away (Marriott & Pope 1954).
    found = float(np.median(products[known] / squares[known]))
    r = min(max((found * LOCAL_ROWS + 1) / (LOCAL_ROWS - 4), 0.0), 0.98)
    return int(min(max(round(2 * (1 + r) / (1 - r)), SHORTEST), LONGEST))


def _windows(times: Times, window: timedelta) -> list[slice]:
    if not len(times):
        return []
    number = (times - np.datetime64(0, "us")) // np.timedelta64(window)
    edges = [0]
    for start in (np.flatnonzero(np.diff(number) > 0) + 1).tolist():
        if start - edges[-1] >= WINDOW_ROWS:
            edges.append(start)
    if len(times) - edges[-1] >= WINDOW_ROWS:
        edges.append(len(times))
    return [slice(start, end) for start, end in list(pairwise(edges))[-WINDOWS:]]
