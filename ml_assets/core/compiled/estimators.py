"""The estimators at the end of a compiled model: each turns a matrix into outputs, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.checks import array, check
from ml_assets.core.compiled.forest import Forest, Walk, read_forest
from ml_assets.core.errors import DataError

_CELLS = 1 << 15  # values in work at once: they should stay in the cache


class Estimator(Protocol):
    """What every family gives."""

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        ...

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return shape (n, k).

        Args:
            matrix: Prepared inputs, shape (n, width).
            extra: The extra inputs, n values each.
        """
        ...


class Leaves(Protocol):
    """Leaves of all trees, by code.

    Attributes:
        offsets: The value of a leaf is ``values[code + offset of its tree]``; shape (trees,).
        values: Shape (codes of all trees, outputs of one tree).
    """

    offsets: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Trees:
    """Sums over trees, one tree after another as scikit-learn adds them.

    Attributes:
        forest: The trees.
        walk: Finds leaves in them.
        start: Where sums begin.
        divisor: What sums are divided by; None if they are not.
        single: Whether trees see inputs rounded to 32 bits.
    """

    forest: Forest
    walk: Walk
    start: np.ndarray
    divisor: float | None
    single: bool

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        return len(self.start)

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the sums, or their means, for every row."""
        return self.sums(self.walk.codes(self.seen(matrix)), self.walk)

    def seen(self, matrix: np.ndarray) -> np.ndarray:
        """Return the matrix as the trees see it.

        Raises:
            DataError: If it holds a number that is too large for them.
        """
        return _as_single(matrix) if self.single else matrix

    def sums(self, codes: np.ndarray, leaves: Leaves) -> np.ndarray:
        """Return the sums, or their means, of the leaves that every row has reached.

        Args:
            codes: Shape (n, trees).
            leaves: What the codes mean.
        """
        if len(codes) == 1:
            added = leaves.values[codes[0] + leaves.offsets].reshape(-1, self.count)
            added[0] += self.start
            total = _in_order(added)[None]
            return total if self.divisor is None else total / self.divisor
        total = np.empty((len(codes), self.count))
        rows = max(1, _CELLS // codes.shape[1])
        for first in range(0, len(codes), rows):
            part = slice(first, first + rows)
            total[part] = self._added(codes[part].T + leaves.offsets[:, None], leaves.values)
        return total if self.divisor is None else total / self.divisor

    def _added(self, places: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Add tree after tree.

        Args:
            places: Of the leaves' values, shape (trees, n).
            values: Of all leaves.
        """
        if values.shape[1] > 1:
            added = values.take(places, axis=0)
            added[0] += self.start
            return _in_order(added)
        added = values.ravel().take(places).reshape(-1, self.count, places.shape[1])
        added[0] += self.start[:, None]
        return _in_order(added).T


def _in_order(terms: np.ndarray) -> np.ndarray:
    """Return the sums over the first axis, each term added to the sum of those before it.

    numpy adds neighbours in memory pairwise: that is another order. Along any other axis it adds
    one after another, as its notes on ``numpy.sum`` say; and a running sum always does.
    """
    if terms[0].size == 1:
        return np.add.accumulate(terms.ravel())[-1:].reshape(terms.shape[1:])
    return np.add.reduce(terms, axis=0)


@dataclass(frozen=True)
class Linear:
    """Weighted sums of the columns, added within each row."""

    coefficient: np.ndarray
    intercept: np.ndarray

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        return len(self.intercept)

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return ``matrix @ coefficient.T + intercept``; a row does not depend on the others.

        A product of matrices may add in another order for one row than for many.
        """
        # By rows in memory, whatever the matrix is: else the order would depend on their number.
        sums = [
            np.add.reduce(np.multiply(matrix, weights, order="C"), axis=1)
            for weights in self.coefficient
        ]
        return np.stack(sums, axis=1) + self.intercept

    def scale(self, matrix: np.ndarray) -> np.ndarray:
        """Return the sum of the terms' absolute values, which rounding errors are relative to."""
        return np.abs(matrix) @ np.abs(self.coefficient).T + np.abs(self.intercept)


@dataclass(frozen=True)
class Constant:
    """The same outputs for every row."""

    values: np.ndarray

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        return len(self.values)

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return them once a row."""
        return np.tile(self.values, (len(matrix), 1))


@dataclass(frozen=True)
class PastLabel:
    """The label known before, or what followed it in training."""

    column: int
    positions: Mapping[Any, int]
    otherwise: np.ndarray
    followed: np.ndarray | None

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        return len(self.otherwise)

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the past label itself, or the probabilities after it."""
        if self.followed is None:
            past = np.asarray(extra[self.column], dtype=np.float64)
            return np.where(np.isnan(past), self.otherwise, past)[:, None]
        past = self._past(extra)
        return np.where((past >= 0)[:, None], self.followed[past], self.otherwise)

    def chosen(self, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the position of each row's past class, or of the most frequent one."""
        past = self._past(extra)
        return np.where(past >= 0, past, self.otherwise.argmax())

    def _past(self, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the position of each row's past class, -1 where it is not known."""
        values = np.asarray(extra[self.column], dtype=object).tolist()
        return np.array([self.positions.get(value, -1) for value in values], dtype=np.intp)


def bind(
    declared: layout.Estimator,
    arrays: Mapping[str, np.ndarray],
    *,
    width: int,
    extra: int,
    classes: Sequence[Any],
) -> Estimator:
    """Make an estimator ready.

    Args:
        declared: What the header says.
        arrays: Of the file.
        width: Columns of the prepared matrix.
        extra: How many extra inputs there are.
        classes: Of a classifier; empty for a regression.

    Raises:
        ArtefactError: If an array or position is not as it must be.
    """
    match declared:
        case layout.Trees():
            return _trees(declared, arrays, width)
        case layout.Linear():
            coefficient = array(arrays, "coefficient", "<f8", 2)
            intercept = array(arrays, "intercept", "<f8", 1)
            check(coefficient.shape == (len(intercept), width), "coefficients do not fit")
            return Linear(coefficient, intercept)
        case layout.Constant(outputs=outputs):
            return Constant(np.array(outputs, dtype=np.float64))
        case layout.PastLabel(column=column, otherwise=otherwise, followed=followed):
            check(column < extra, "an extra input is missing")
            table = None if followed is None else array(arrays, followed, "<f8", 2)
            if table is not None:
                check(table.shape == (len(classes), len(otherwise)), "transitions do not fit")
            # Through dict keys, as the label may be a float where the class is an integer.
            positions = {label: position for position, label in enumerate(classes)}
            return PastLabel(column, positions, np.array(otherwise, dtype=np.float64), table)


def _trees(declared: layout.Trees, arrays: Mapping[str, np.ndarray], width: int) -> Trees:
    forest = read_forest(arrays, width=width)
    outputs, added = len(declared.start), forest.trees * forest.leaf.shape[1]
    check(outputs > 0 and added % outputs == 0, "the trees do not fit the outputs")
    return Trees(
        forest,
        Walk(forest),
        np.array(declared.start, dtype=np.float64),
        float(forest.trees) if declared.average else None,
        declared.single,
    )


def _as_single(matrix: np.ndarray) -> np.ndarray:
    """Return the numbers rounded to 32 bits, as scikit-learn's trees read them."""
    rounded = matrix.astype(np.float32)
    if np.isinf(rounded).any():
        message = "A value is too large for the model, which reads 32-bit floats."
        raise DataError(message)
    return rounded.astype(np.float64)
