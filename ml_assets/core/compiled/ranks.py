"""How many of a column's steps a number is greater than, for many numbers of many columns."""

from collections.abc import Sequence

import numpy as np

_CELLS = 512  # of a column: they should stay in the cache, and few should hold several steps


class Ranks:
    """Searches all columns at once: each turn is a few operations on all numbers.

    The range of a column's steps is cut into cells of one width. The cell of a number says how many
    steps lie in cells before it; the steps of its own cell are searched by halves.

    A search in one column after the other costs more: it branches at each number, on what cannot be
    foreseen.

    Args:
        positions: Of the columns in a matrix.
        steps: Of each column, ascending; the last one is infinity.
    """

    def __init__(self, positions: Sequence[int], steps: Sequence[np.ndarray]) -> None:
        self._positions = np.array(positions, dtype=np.intp)
        self._missing = np.array([len(one) for one in steps], dtype=np.intp)[:, None]
        padded = np.full((len(steps), max(map(len, steps), default=1)), np.inf)
        for row, one in zip(padded, steps, strict=True):
            row[: len(one)] = one
        finite = np.isfinite(padded)
        lows, highs = padded[:, :1], np.where(finite, padded, -np.inf).max(axis=1, keepdims=True)
        known = finite[:, :1]  # a column without steps has one cell
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            self._low = np.where(known, lows, 0.0)
            self._scale = _CELLS / np.where(known, highs - lows, 1.0)
        counts = np.zeros((len(steps), _CELLS), dtype=np.intp)
        column, place = np.nonzero(finite)
        np.add.at(counts, (column, self._cells(padded)[column, place]), 1)
        half = int(counts.max(initial=0)).bit_length()
        self._halves = tuple(1 << turn for turn in reversed(range(half)))
        padded = np.pad(padded, ((0, 0), (0, 1 << half)), constant_values=np.inf)
        self._steps = padded.ravel()
        self._start = (np.arange(len(steps)) * padded.shape[1])[:, None] - 1
        self._before = (np.cumsum(counts, axis=1) - counts + self._start).ravel()
        self._first_cell = (np.arange(len(steps)) * _CELLS)[:, None]

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """Return how many steps of its column each number is greater than.

        Args:
            matrix: Shape (n, columns of the matrix); no number is infinite.

        Returns:
            Shape (columns of these ranks, n). NaN has the number of steps, which no number has.
        """
        values = np.ascontiguousarray(matrix.T[self._positions])
        cells = self._cells(values)
        cells += self._first_cell
        last = self._before.take(cells, mode="clip")  # steps up to it are smaller
        asked, moved = cells, np.empty_like(last)
        step, smaller = np.empty_like(values), np.empty(values.shape, dtype=bool)
        for half in self._halves:
            np.add(last, half, out=asked)
            self._steps.take(asked, out=step, mode="clip")
            np.less(step, values, out=smaller)
            np.multiply(smaller, half, out=moved)
            np.add(last, moved, out=last)
        last -= self._start
        missing = np.isnan(values)
        return np.where(missing, self._missing, last) if missing.any() else last

    def _cells(self, values: np.ndarray) -> np.ndarray:
        """Return the cell of each number, shape (columns, n): a larger one has no smaller cell."""
        with np.errstate(over="ignore", invalid="ignore"):
            places = values - self._low
            places *= self._scale
        np.fmax(places, 0.0, out=places)  # NaN too
        np.fmin(places, _CELLS - 1.0, out=places)
        return places.astype(np.intp)
