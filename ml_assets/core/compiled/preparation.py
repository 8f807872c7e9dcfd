"""From the inputs to the estimator's matrix, operation by operation as scikit-learn does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.checks import array, check, within
from ml_assets.core.compiled.steps import Apply, Column, Input, chain, keeps_order
from ml_assets.core.errors import DataError

Texts = Sequence[Sequence[Any]]


class _Block(Protocol):
    @property
    def made_of(self) -> tuple[Column, ...]:
        """The columns that it gives."""
        ...

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        """Return its columns, shape (n, width)."""
        ...


@dataclass(frozen=True)
class _Numbers:
    chosen: np.ndarray | None  # None where all inputs are taken as they come
    steps: tuple[Apply, ...]
    made_of: tuple[Column, ...]

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        found = numbers if self.chosen is None else numbers[:, self.chosen]
        for step in self.steps:
            found = step(found)
        return found


@dataclass(frozen=True)
class Lookup:
    """One input as a category: a table has a row for each.

    Attributes:
        column: Position of the input.
        rows: Row of the table by category.
        missing: Row of a missing value; -1 if it is refused.
        unknown: Row of any other value; -1 if it is refused.
        table: Shape (rows, width).
        of_texts: Whether the input is one of the categorical ones.
    """

    column: int
    rows: Mapping[Any, int]
    missing: int
    unknown: int
    table: np.ndarray
    of_texts: bool

    @property
    def source(self) -> Input:
        """The input."""
        return Input(self.of_texts, self.column)

    @property
    def made_of(self) -> tuple[Column, ...]:
        """The columns that it gives."""
        return (Column(self.source, looked_up=True),) * self.table.shape[1]

    def columns(self, numbers: np.ndarray, texts: Texts) -> np.ndarray:
        """Return its columns, shape (n, width)."""
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
        blocks: Stand side by side.
        steps: Over all columns of the blocks.
        made_of: Columns of the estimator's matrix.
        monotone: Whether what is computed of a number rises or falls with it, or stays.
    """

    blocks: tuple[_Block, ...]
    steps: tuple[Apply, ...]
    made_of: tuple[Column, ...]
    monotone: bool

    @property
    def width(self) -> int:
        """How many columns the estimator's matrix has."""
        return len(self.made_of)

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """Inputs that are taken as categories; one may be taken more than once."""
        return tuple(block for block in self.blocks if isinstance(block, Lookup))

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
    whole = tuple(column for block in blocks for column in block.made_of)
    steps, made_of = chain(declared.steps, whole)
    chains = [block.steps for block in declared.blocks if isinstance(block, layout.Numbers)]
    monotone = all(keeps_order(step) for chain in (*chains, declared.steps) for step in chain)
    return Preparation(blocks, steps, made_of, monotone)


def _numbers(block: layout.Numbers, numeric: int) -> _Numbers:
    within(block.columns, numeric, "numeric input")
    chosen = None if block.columns == list(range(numeric)) else np.array(block.columns, np.intp)
    taken = tuple(
        Column(Input(of_texts=False, position=one), looked_up=False) for one in block.columns
    )
    return _Numbers(chosen, *chain(block.steps, taken))


def _lookup(
    block: layout.Texts | layout.Codes,
    arrays: Mapping[str, np.ndarray],
    *,
    numeric: int,
    categorical: int,
) -> Lookup:
    of_texts = isinstance(block, layout.Texts)
    within([block.column], categorical if of_texts else numeric, "input")
    table = array(arrays, block.table, "<f8", 2)
    rows = {key: row for row, key in enumerate(block.keys)}
    named = [row for row in (block.missing, block.unknown) if row is not None]
    check(len(rows) == len(block.keys) <= len(table), "a table has not one row a category")
    within(named, len(table), "row of a table")
    missing = -1 if block.missing is None else block.missing
    unknown = -1 if block.unknown is None else block.unknown
    return Lookup(block.column, rows, missing, unknown, table, of_texts)
