"""Leaves of small trees found with bit masks instead of a walk, straight from the inputs.

A binary search, or the look-up of a category, finds a row of each input's table
(:mod:`ml_assets.core.compiled.input_tables`), and the conjunction of the rows leaves the answer for
all trees at once. Inputs with few rows, such as categories, share a table of all combinations.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ml_assets.core.compiled.forest import Forest
from ml_assets.core.compiled.input_tables import InputTable, InputTables, input_tables
from ml_assets.core.compiled.mask_tables import (
    MOST_LEAVES,
    all_leaves,
    most_leaves,
    values_by_code,
)
from ml_assets.core.compiled.preparation import Preparation, Texts
from ml_assets.core.compiled.probe import Matrix
from ml_assets.core.compiled.ranks import Ranks
from ml_assets.core.text_levels import Levels, looked_up

LARGEST_TABLE = 1 << 26  # bytes; beyond it, a walk
_COMBINATIONS = 256  # rows of a shared table, at most
_CHUNK = 1 << 18  # bytes of masks in work at once: they should stay in the cache


@dataclass(frozen=True, eq=False)
class _Group:
    """Inputs that share a table.

    Attributes:
        start: Its first row among the rows of all tables.
        members: The inputs' own tables, each with what one row of it is in the shared one.
        refused: Whether a row is refused; None if none is.
    """

    start: int
    members: tuple[tuple[InputTable, int], ...]
    refused: np.ndarray | None


class Masks:
    """Finds leaves by the conjunction of masks.

    Args:
        forest: Verified trees of at most ``MOST_LEAVES`` leaves.
        inputs: Tables of the inputs.

    Attributes:
        offsets: The value of a leaf is ``values[code + offset of its tree]``.
        values: Shape (codes of all trees, outputs of one tree).
    """

    def __init__(self, forest: Forest, inputs: InputTables) -> None:
        self._bound = inputs.bound
        self._groups: list[_Group] = []
        tables: list[np.ndarray] = []
        rows = 0
        for members, table, refused in _combined(inputs.tables):
            self._groups.append(_Group(rows, members, refused if refused.any() else None))
            tables.append(table)
            rows += len(table)
        self._table = np.concatenate(tables)
        self._lists = [
            (group.start, [_as_lists(*member) for member in group.members], group.refused)
            for group in self._groups
        ]
        numbers = [table for table in inputs.tables if not table.source.of_texts]
        self._ranks = Ranks(
            [one.source.position for one in numbers], [one.steps for one in numbers]
        )
        self._one = self._table.dtype.type(1)
        self.offsets = np.arange(forest.trees) * (MOST_LEAVES + 1)
        self.values = values_by_code(forest)

    @classmethod
    def of(
        cls,
        forest: Forest,
        preparation: Preparation,
        matrix: Matrix,
        *,
        numeric: int,
        categorical: int,
    ) -> Self | None:
        """Return the masks of a model, or None where trees or tables are too large or unknown.

        Args:
            forest: Verified trees.
            preparation: What stands before them.
            matrix: What they see of rows of inputs.
            numeric: How many numeric inputs there are.
            categorical: How many categorical ones.
        """
        if most_leaves(forest) > MOST_LEAVES or forest.is_leaf.all():
            return None
        if _rows(forest, preparation) * all_leaves(forest).nbytes > LARGEST_TABLE:
            return None
        inputs = input_tables(forest, preparation, matrix, numeric=numeric, categorical=categorical)
        return None if inputs is None else cls(forest, inputs)

    def codes(self, numbers: np.ndarray, texts: Texts) -> np.ndarray | None:
        """Return the number of the leaf that each row reaches, from 1, shape (n, trees).

        Returns:
            None if there is a value that the tables are not for: refused, infinite or vast.
        """
        if len(numbers) == 1:
            return self._one_row(numbers[0].tolist(), [column[0] for column in texts])
        if (np.abs(numbers) > self._bound).any():
            return None
        ranks = iter(self._ranks.of(numbers))  # in the order of the tables
        found = []
        for group in self._groups:
            place = np.array(group.start, dtype=np.intp)
            for table, stride in group.members:
                source = table.source
                own = (
                    _rows_of_texts(table, texts[source.position])
                    if source.of_texts
                    else next(ranks)
                )
                place = place + (own if stride == 1 else own * stride)
            if group.refused is not None and group.refused[place - group.start].any():
                return None
            found.append(place)
        return self._conjunction(found)

    def _one_row(self, numbers: Sequence[float], texts: Sequence[Any]) -> np.ndarray | None:
        places = []
        bound = self._bound
        for start, members, refused in self._lists:
            place = 0
            for position, steps, stride, missing, table in members:
                if table is not None:
                    rank = _row_of_text(table, texts[position])
                else:
                    value = numbers[position]
                    if -bound <= value <= bound:
                        rank = bisect_left(steps, value)
                    elif value != value:  # noqa: PLR0124 - NaN
                        rank = missing
                    else:
                        return None
                place += rank * stride
            if refused is not None and refused[place]:
                return None
            places.append(place + start)
        left = np.bitwise_and.reduce(self._table[places], axis=0)
        # All bits up to the lowest one are counted.
        return np.bitwise_count(left ^ (left - self._one))[None, :]

    def _conjunction(self, places: Sequence[np.ndarray]) -> np.ndarray:
        count = len(places[0])
        codes = np.empty((count, self._table.shape[1]), dtype=np.uint8)
        rows = max(1, _CHUNK // (codes.shape[1] * self._table.itemsize))
        left = np.empty((min(rows, count), codes.shape[1]), self._table.dtype)
        more = np.empty_like(left)
        for start in range(0, count, rows):
            if count - start < rows:
                left, more = left[: count - start], more[: count - start]
            part = slice(start, start + rows)
            self._table.take(places[0][part], axis=0, out=left, mode="clip")
            for place in places[1:]:
                self._table.take(place[part], axis=0, out=more, mode="clip")
                np.bitwise_and(left, more, out=left)
            np.subtract(left, self._one, out=more)
            np.bitwise_xor(left, more, out=more)
            np.bitwise_count(more, out=codes[part])
        return codes


def _rows(forest: Forest, preparation: Preparation) -> int:
    """Return how many rows the tables have at most."""
    inner = ~forest.is_leaf
    pairs = np.column_stack([forest.feature[inner], forest.threshold[inner]])
    asked = np.unique(pairs, axis=0)
    categories = sum(2 + 2 * len(lookup.rows) for lookup in preparation.lookups)
    return categories + len(asked) + (2 + _COMBINATIONS) * len(np.unique(asked[:, 0]))


def _combined(
    tables: Sequence[InputTable],
) -> Iterator[tuple[tuple[tuple[InputTable, int], ...], np.ndarray, np.ndarray]]:
    """Yield neighbouring inputs with the table of all combinations, and what of it is refused."""
    members: tuple[tuple[InputTable, int], ...] = ()
    rows, refused = np.empty((0, 0)), np.empty(0, dtype=bool)
    for table in tables:
        if members and len(rows) * len(table.rows) <= _COMBINATIONS:
            members = (*members, (table, len(rows)))
            rows = (table.rows[:, None] & rows[None]).reshape(-1, table.rows.shape[1])
            refused = (table.refused[:, None] | refused[None]).ravel()
            continue
        if members:
            yield members, rows, refused
        members, rows, refused = ((table, 1),), table.rows, table.refused
    yield members, rows, refused


def _as_lists(
    table: InputTable, stride: int
) -> tuple[int, list[float], int, int, InputTable | None]:
    """Return what a single row is looked up by: position, steps, stride, row of missing values."""
    of_texts = table if table.source.of_texts else None
    return table.source.position, table.steps.tolist(), stride, len(table.steps), of_texts


def _row_of_text(table: InputTable, value: Any) -> int:  # noqa: ANN401
    # A frame marks a missing text by None or by NaN.
    other = len(table.keys) + (not isinstance(value, str))
    return table.keys.get(value, other)


def _rows_of_texts(table: InputTable, values: Sequence[Any]) -> np.ndarray:
    if isinstance(values, Levels):
        return looked_up(values, lambda text: _row_of_text(table, text))
    try:
        return np.fromiter(map(table.keys.get, values), dtype=np.intp, count=len(values))
    except TypeError:  # at least one is no known category
        return np.array([_row_of_text(table, value) for value in values], dtype=np.intp)
