"""How many of a column's steps a number is greater than, for many numbers of many columns."""

from collections.abc import Sequence

import numpy as np


class Ranks:
    """Searches all columns at once, by halves: each turn is a few operations on all numbers.

    A search in one column after the other costs more: it branches at each number, on what cannot be
    foreseen.

    Args:
        positions: Of the columns in a matrix.
        steps: Of each column, ascending; the last one is infinity.
    """

    def __init__(self, positions: Sequence[int], steps: Sequence[np.ndarray]) -> None:
        self._positions = np.array(positions, dtype=np.intp)
        self._missing = np.array([len(one) for one in steps], dtype=np.intp)[:, None]
        width = 1
        while width < max(map(len, steps), default=0):
            width *= 2
        padded = np.full((len(steps), width), np.inf)
        for row, one in zip(padded, steps, strict=True):
            row[: len(one)] = one
        self._steps = padded.ravel()
        self._first = (np.arange(len(steps)) * width)[:, None] - 1
        self._half = width // 2

    def of(self, matrix: np.ndarray) -> np.ndarray:
        """Return how many steps of its column each number is greater than.

        Args:
            matrix: Shape (n, columns of the matrix); no number is infinite.

        Returns:
            Shape (columns of these ranks, n). NaN has the number of steps, which no number has.
        """
        values = np.ascontiguousarray(matrix.T[self._positions])
        last = np.repeat(self._first, values.shape[1], axis=1)  # steps up to it are smaller
        asked, moved = np.empty_like(last), np.empty_like(last)
        step, smaller = np.empty_like(values), np.empty(values.shape, dtype=bool)
        half = self._half
        while half:
            np.add(last, half, out=asked)
            self._steps.take(asked, out=step, mode="clip")
            np.less(step, values, out=smaller)
            np.multiply(smaller, half, out=moved)
            np.add(last, moved, out=last)
            half //= 2
        last -= self._first
        missing = np.isnan(values)
        return np.where(missing, self._missing, last) if missing.any() else last
