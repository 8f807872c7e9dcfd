"""From the inputs to the estimator's matrix, operation by operation as scikit-learn does it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.errors import ArtefactError, DataError

Texts = Sequence[Sequence[Any]]
_Apply = Callable[[np.ndarray], np.ndarray]
_UFUNCS = {
    "subtract": np.subtract,
    "add": np.add,
    "multiply": np.multiply,
    "divide": np.divide,
}


class _Block(Protocol):
    @property
    def width(self) -> int:
        """Columns that it gives."""
        ...

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        """Return its columns, shape (n, width)."""
        ...


@dataclass(frozen=True)
class _Numbers:
    chosen: np.ndarray | None  # None where all inputs are taken as they come
    steps: tuple[_Apply, ...]
    width: int

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        found = numbers if self.chosen is None else numbers[:, self.chosen]
        for step in self.steps:
            found = step(found)
        return found


@dataclass(frozen=True)
class _Lookup:
    column: int
    rows: Mapping[Any, int]
    missing: int
    unknown: int
    table: np.ndarray
    of_texts: bool

    @property
    def width(self) -> int:
        return self.table.shape[1]

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        if self.of_texts:
            values = texts[self.column]
            places: list[Any] = list(map(self.rows.get, values))
            if None in places:
                # A frame marks missing texts by None or by NaN.
                places = [
                    self.rows.get(value, self.unknown) if isinstance(value, str) else self.missing
                    for value in values
                ]
        else:
            values = numbers[:, self.column].tolist()
            places = [
                self.rows.get(value, self.unknown) if value == value else self.missing  # noqa: PLR0124 - NaN
                for value in values
            ]
        if -1 in places:
            kind = "categorical" if self.of_texts else "numeric"
            message = (
                f"The model refuses a missing or unseen category in {kind} input {self.column}. "
                "Let its encoder handle unknown categories."
            )
            raise DataError(message)
        return self.table[places]


@dataclass(frozen=True)
class Preparation:
    """What stands before the estimator.

    Attributes:
        width: Columns of the estimator's matrix.
    """

    blocks: tuple[_Block, ...]
    steps: tuple[_Apply, ...]
    width: int

    def matrix(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        """Return the estimator's inputs.

        Args:
            numbers: Shape (n, numeric inputs), float64, NaN where missing.
            texts: One sequence of n texts or None a categorical input.

        Raises:
            DataError: If scikit-learn would refuse a value.
        """
        parts = [block.columns(numbers, texts) for block in self.blocks]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        for step in self.steps:
            whole = step(whole)
        return whole


def bind(
    declared: layout.Preparation,
    arrays: Mapping[str, np.ndarray],
    *,
    numeric: int,
    categorical: int,
) -> Preparation:
    """Make a preparation ready, after every position in it was found to exist.

    Args:
        declared: What the header says.
        arrays: Of the file.
        numeric: How many numeric inputs there are.
        categorical: How many categorical ones.

    Raises:
        ArtefactError: If a position, a length or an array is not as it must be.
    """
    check(bool(declared.blocks), "the preparation is empty")
    blocks = tuple(
        _numbers(block, numeric)
        if isinstance(block, layout.Numbers)
        else _lookup(block, arrays, numeric=numeric, categorical=categorical)
        for block in declared.blocks
    )
    steps, width = _chain(declared.steps, sum(block.width for block in blocks))
    return Preparation(blocks, steps, width)


def check(holds: bool, fault: str) -> None:
    """Raise an ArtefactError with the fault unless something holds."""
    if not holds:
        message = f"The compiled model is broken: {fault}. Compile it again from the model file."
        raise ArtefactError(message)


def array(arrays: Mapping[str, np.ndarray], name: str, dtype: str, dimensions: int) -> np.ndarray:
    """Return an array of the file that has to be there with a type and number of dimensions."""
    check(name in arrays, f"the array {name!r} is missing")
    found = arrays[name]
    check(
        found.dtype.str == dtype and found.ndim == dimensions,
        f"the array {name!r} is {found.dtype.str} with {found.ndim} dimensions",
    )
    return found


def _numbers(block: layout.Numbers, numeric: int) -> _Numbers:
    _within(block.columns, numeric, "numeric input")
    chosen = None if block.columns == list(range(numeric)) else np.array(block.columns, np.intp)
    steps, width = _chain(block.steps, len(block.columns))
    return _Numbers(chosen, steps, width)


def _lookup(
    block: layout.Texts | layout.Codes,
    arrays: Mapping[str, np.ndarray],
    *,
    numeric: int,
    categorical: int,
) -> _Lookup:
    of_texts = isinstance(block, layout.Texts)
    _within([block.column], categorical if of_texts else numeric, "input")
    table = array(arrays, block.table, "<f8", 2)
    rows = {key: row for row, key in enumerate(block.keys)}
    named = [row for row in (block.missing, block.unknown) if row is not None]
    check(len(rows) == len(block.keys) <= len(table), "a table has not one row a category")
    _within(named, len(table), "row of a table")
    missing = -1 if block.missing is None else block.missing
    unknown = -1 if block.unknown is None else block.unknown
    return _Lookup(block.column, rows, missing, unknown, table, of_texts)


def _chain(steps: Sequence[layout.Step], width: int) -> tuple[tuple[_Apply, ...], int]:
    bound = []
    for step in steps:
        apply, width = _bound(step, width)
        bound.append(apply)
    return tuple(bound), width


def _bound(step: layout.Step, width: int) -> tuple[_Apply, int]:
    match step:
        case layout.Impute():
            return _impute(step, width)
        case layout.Arithmetic(operation=operation, by=by):
            check(len(by) == width, "an operation has not one number a column")
            ufunc, operand = _UFUNCS[operation], np.array(by, dtype=np.float64)
            return lambda found: ufunc(found, operand), width
        case layout.Clip(low=low, high=high):
            return lambda found: np.clip(found, low, high), width
        case layout.Select(columns=columns):
            _within(columns, width, "column")
            chosen = np.array(columns, dtype=np.intp)
            return lambda found: found[:, chosen], len(columns)
        case layout.Refuse(allow_nan=allow_nan):
            return _refuse_infinite if allow_nan else _refuse_not_finite, width


def _impute(step: layout.Impute, width: int) -> tuple[_Apply, int]:
    _within([*step.kept, *step.marked], width, "column")
    check(len(step.fill) == len(step.kept), "a filling has not one number a column")
    fill = np.array(step.fill, dtype=np.float64)
    kept = None if step.kept == list(range(width)) else np.array(step.kept, dtype=np.intp)
    marked = np.array(step.marked, dtype=np.intp)

    def apply(found: np.ndarray) -> np.ndarray:
        absent = np.isnan(found)
        if kept is None:
            filled = np.where(absent, fill, found)
        else:
            filled = np.where(absent[:, kept], fill, found[:, kept])
        return np.concatenate([filled, absent[:, marked]], axis=1) if marked.size else filled

    return apply, len(step.kept) + len(step.marked)


def _refuse_infinite(found: np.ndarray) -> np.ndarray:
    if np.isinf(found).any():
        message = "The model takes no infinite number. Guard the division that gives one."
        raise DataError(message)
    return found


def _refuse_not_finite(found: np.ndarray) -> np.ndarray:
    if not np.isfinite(found).all():
        message = "The model takes only finite numbers, and a value is missing, infinite or vast."
        raise DataError(message)
    return found


def _within(positions: Sequence[int], count: int, what: str) -> None:
    check(all(0 <= one < count for one in positions), f"a {what} beyond the last of {count}")
