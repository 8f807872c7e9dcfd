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
        finite = [one[:-1] for one in steps]
        ends = [(one[0], one[-1]) if len(one) else (0.0, 0.0) for one in finite]
        low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T[:, :, None]
        with np.errstate(over="ignore", divide="ignore"):
            self._low, self._scale = low, _CELLS / (high - low)
        counts = np.zeros((len(steps), _CELLS), dtype=np.intp)
        for row, one in enumerate(finite):
            cells = self._cells(np.tile(one, (len(steps), 1)))[row]
            np.add.at(counts[row], cells, 1)
        half = int(counts.max(initial=0)).bit_length()
        self._halves = tuple(1 << turn for turn in reversed(range(half)))
        width = max(map(len, steps), default=0) + (1 << half)
        padded = np.full((len(steps), width), np.inf)
        for row, one in zip(padded, steps, strict=True):
            row[: len(one)] = one
        self._steps = padded.ravel()
        self._start = (np.arange(len(steps)) * width)[:, None] - 1
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
