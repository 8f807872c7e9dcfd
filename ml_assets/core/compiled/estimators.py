"""The estimators at the end of a compiled model: each turns a matrix into outputs, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.forest import Walk, read_forest
from ml_assets.core.compiled.masks import Masks
from ml_assets.core.compiled.preparation import array, check
from ml_assets.core.errors import DataError

_MANY = 256  # rows from which a loop over trees is faster


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


@dataclass(frozen=True)
class Trees:
    """Sums over trees, one tree after another as scikit-learn adds them."""

    leaves: Masks | Walk
    start: np.ndarray
    divisor: float | None
    single: bool

    @property
    def count(self) -> int:
        """How many outputs a row has."""
        return len(self.start)

    def outputs(self, matrix: np.ndarray, extra: Sequence[Sequence[Any]]) -> np.ndarray:
        """Return the sums, or their means, for every row."""
        found = self.leaves.codes(_as_single(matrix) if self.single else matrix)
        total = _few(self, found) if len(found) < _MANY else _many(self, found)
        return total if self.divisor is None else total / self.divisor


def _few(trees: Trees, codes: np.ndarray) -> np.ndarray:
    """Add by a running sum, which keeps the order that a reduction does not promise."""
    rows, outputs = len(codes), len(trees.start)
    added = trees.leaves.values[codes + trees.leaves.offsets].reshape(rows, -1, outputs)
    sums = np.empty((rows, added.shape[1] + 1, outputs))
    sums[:, 0] = trees.start
    sums[:, 1:] = added
    return np.add.accumulate(sums, axis=1)[:, -1]


def _many(trees: Trees, codes: np.ndarray) -> np.ndarray:
    """Add tree after tree to all rows."""
    outputs, values = len(trees.start), trees.leaves.values
    by_tree = np.ascontiguousarray(codes.T)
    if values.shape[1] > 1:
        total = np.tile(trees.start, (len(codes), 1))
        for offset, own in zip(trees.leaves.offsets.tolist(), by_tree, strict=True):
            total += values[offset:].take(own, axis=0)
        return total
    single, sums = values[:, 0], np.repeat(trees.start[:, None], len(codes), axis=1)
    for tree, (offset, own) in enumerate(zip(trees.leaves.offsets.tolist(), by_tree, strict=True)):
        sums[tree % outputs] += single[offset:].take(own)
    return np.ascontiguousarray(sums.T)


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
        Masks(forest) if Masks.fits(forest) else Walk(forest),
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
