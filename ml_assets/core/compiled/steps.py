"""Steps over columns of numbers, as scikit-learn takes them. None mixes columns."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.checks import check, within
from ml_assets.core.errors import DataError

Apply = Callable[[np.ndarray], np.ndarray]
_UFUNCS = {
    "subtract": np.subtract,
    "add": np.add,
    "multiply": np.multiply,
    "divide": np.divide,
}


class Input(NamedTuple):
    """One input of a model, by its position among the numeric or the categorical ones."""

    of_texts: bool
    position: int


class Column(NamedTuple):
    """What a column of the matrix is made of; no step mixes columns.

    Attributes:
        source: The only input that it depends on.
        looked_up: Whether its values stand in a table; else they are computed.
    """

    source: Input
    looked_up: bool


def chain(
    steps: Sequence[layout.Step], columns: tuple[Column, ...]
) -> tuple[tuple[Apply, ...], tuple[Column, ...]]:
    """Make steps ready.

    Args:
        steps: What the header says.
        columns: What they are given.

    Returns:
        The steps, and the columns that they give.

    Raises:
        ArtefactError: If a step does not fit the columns.
    """
    bound = []
    for step in steps:
        apply, columns = _bound(step, columns)
        bound.append(apply)
    return tuple(bound), columns


def _bound(step: layout.Step, columns: tuple[Column, ...]) -> tuple[Apply, tuple[Column, ...]]:
    match step:
        case layout.Impute():
            return _impute(step, columns)
        case layout.Arithmetic(operation=operation, by=by):
            check(len(by) == len(columns), "an operation has not one number a column")
            ufunc, operand = _UFUNCS[operation], np.array(by, dtype=np.float64)
            return lambda found: ufunc(found, operand), columns
        case layout.Clip(low=low, high=high):
            return lambda found: np.clip(found, low, high), columns
        case layout.Select(columns=kept):
            within(kept, len(columns), "column")
            chosen = np.array(kept, dtype=np.intp)
            return lambda found: found[:, chosen], tuple(columns[one] for one in kept)
        case layout.Refuse(allow_nan=allow_nan):
            return _refuse_infinite if allow_nan else _refuse_not_finite, columns


def keeps_order(step: layout.Step) -> bool:
    """Say whether a step gives NaN for NaN only, and rises or falls as rounded sums do."""
    match step:
        case layout.Arithmetic(operation=operation, by=by):
            may_be_zero = operation in {"add", "subtract"}
            return all(np.isfinite(one) and (may_be_zero or one != 0) for one in by)
        case layout.Clip(low=low, high=high):
            return low <= high
        case _:
            return True


def _impute(step: layout.Impute, columns: tuple[Column, ...]) -> tuple[Apply, tuple[Column, ...]]:
    within([*step.kept, *step.marked], len(columns), "column")
    check(len(step.fill) == len(step.kept), "a filling has not one number a column")
    fill = np.array(step.fill, dtype=np.float64)
    kept = None if step.kept == list(range(len(columns))) else np.array(step.kept, dtype=np.intp)
    marked = np.array(step.marked, dtype=np.intp)

    def apply(found: np.ndarray) -> np.ndarray:
        absent = np.isnan(found)
        if kept is None:
            filled = np.where(absent, fill, found)
        else:
            filled = np.where(absent[:, kept], fill, found[:, kept])
        return np.concatenate([filled, absent[:, marked]], axis=1) if marked.size else filled

    return apply, tuple(columns[one] for one in (*step.kept, *step.marked))


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
