"""Leaves of small trees found with bit masks instead of a walk.

In a tree whose leaves are numbered from the left, a node that is answered "greater" rules out all
leaves of its left subtree. What remains of all leaves after every such node has ruled out its own,
has the reached leaf as its lowest bit (QuickScorer: Lucchese et al., "QuickScorer: a Fast Algorithm
to Rank Documents with Additive Ensembles of Regression Trees", SIGIR 2015).

Here the nodes of one column are sorted by threshold. A value is greater than a prefix of them, so
what they leave together is one row of a table made beforehand: a binary search finds the row, and
the conjunction of the columns' rows leaves the answer for all trees at once. Columns with few
thresholds, such as marks of categories, share a table of all their combinations.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml_assets.core.compiled.forest import Forest

MOST_LEAVES = 64
LARGEST_TABLE = 1 << 26  # bytes; beyond it, a walk
_COMBINATIONS = 256  # rows of a shared table, at most
_CHUNK = 1 << 18  # bytes of masks in work at once: they should stay in the cache
_WORDS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))


@dataclass(frozen=True)
class _Column:
    """How a column's value moves within a table: by its rank times ``stride`` rows."""

    number: int
    steps: np.ndarray  # thresholds and then infinity, ascending
    stride: int


class Masks:
    """Finds leaves by the conjunction of masks.

    Args:
        forest: Verified trees that ``fits``.

    Attributes:
        offsets: The value of a leaf is ``values[code + offset of its tree]``.
        values: Shape (codes of all trees, outputs of one tree).
    """

    def __init__(self, forest: Forest) -> None:
        first, count = _leaf_ranges(forest)
        word = _word(int(count[forest.root[:-1]].max()))
        self._groups: list[tuple[int, tuple[_Column, ...]]] = []
        tables: list[np.ndarray] = []
        rows = 0
        for columns, table in _combined(_tables(forest, first, count, word)):
            self._groups.append((rows, columns))
            tables.append(table)
            rows += len(table)
        self._table = np.concatenate(tables)
        self._lists = [
            (start, [(c.number, c.steps.tolist(), c.stride, len(c.steps)) for c in columns])
            for start, columns in self._groups
        ]
        self._one = self._table.dtype.type(1)
        self.offsets = np.arange(forest.trees) * (MOST_LEAVES + 1)
        self.values = _values_by_code(forest, first)

    @staticmethod
    def fits(forest: Forest) -> bool:
        """Say whether the trees are small enough, and their tables too."""
        leaves = np.add.reduceat(forest.is_leaf.astype(np.intp), forest.root[:-1])
        inner = ~forest.is_leaf
        if leaves.max() > MOST_LEAVES or not inner.any():
            return False
        pairs = np.column_stack([forest.feature[inner], forest.threshold[inner]])
        asked = np.unique(pairs, axis=0)
        rows = len(asked) + (2 + _COMBINATIONS) * len(np.unique(asked[:, 0]))
        return rows * forest.trees * _word(int(leaves.max())).itemsize <= LARGEST_TABLE

    def codes(self, matrix: np.ndarray) -> np.ndarray:
        """Return the number of the leaf that each row reaches, from 1, shape (n, trees)."""
        if len(matrix) > 1:
            return self._many(matrix)
        row = matrix[0].tolist()
        places = []
        for start, columns in self._lists:
            place = start
            for number, steps, stride, missing in columns:
                value = row[number]
                rank = bisect_left(steps, value) if value == value else missing  # noqa: PLR0124
                place += rank * stride
            places.append(place)
        left = np.bitwise_and.reduce(self._table[places], axis=0)
        # All bits up to the lowest one are counted.
        return np.bitwise_count(left ^ (left - self._one))[None, :]

    def _many(self, matrix: np.ndarray) -> np.ndarray:
        codes = np.empty((len(matrix), self._table.shape[1]), dtype=np.uint8)
        places = [start + _ranks(columns, matrix) for start, columns in self._groups]
        rows = max(1, _CHUNK // (codes.shape[1] * self._table.itemsize))
        left = np.empty((min(rows, len(matrix)), codes.shape[1]), self._table.dtype)
        more = np.empty_like(left)
        for start in range(0, len(matrix), rows):
            if len(matrix) - start < rows:
                left, more = left[: len(matrix) - start], more[: len(matrix) - start]
            part = slice(start, start + rows)
            self._table.take(places[0][part], axis=0, out=left, mode="clip")
            for place in places[1:]:
                self._table.take(place[part], axis=0, out=more, mode="clip")
                np.bitwise_and(left, more, out=left)
            np.subtract(left, self._one, out=more)
            np.bitwise_xor(left, more, out=more)
            np.bitwise_count(more, out=codes[part])
        return codes


def _ranks(columns: tuple[_Column, ...], matrix: np.ndarray) -> np.ndarray:
    """Return each row's place in a table; a search puts NaN behind infinity, where its row is."""
    place = np.zeros(len(matrix), dtype=np.intp)
    for column in columns:
        place += column.stride * column.steps.searchsorted(matrix[:, column.number])
    return place


def _tables(
    forest: Forest, first: np.ndarray, count: np.ndarray, word: np.dtype
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield each asked column with its thresholds and what is left after each rank of a value.

    The last threshold is infinity. Row r is for values greater than r thresholds, and the row
    behind the last is for missing ones.
    """
    tree = forest.tree_of_nodes()
    inner = np.flatnonzero(~forest.is_leaf)
    left = forest.child[inner]
    one = word.type(1)
    masks = ~(((one << count[left].astype(word)) - one) << first[left].astype(word))
    for number in np.unique(forest.feature[inner]).tolist():
        own = forest.feature[inner] == number
        nodes, mask = inner[own], masks[own]
        steps = np.unique(np.append(forest.threshold[nodes], np.inf))
        table = np.full((len(steps) + 1, forest.trees), np.iinfo(word).max, dtype=word)
        rank = np.searchsorted(steps, forest.threshold[nodes]) + 1
        below = rank < len(steps)  # nothing is greater than infinity
        np.bitwise_and.at(table, (rank[below], tree[nodes][below]), mask[below])
        np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
        gone = forest.missing_right[nodes]
        np.bitwise_and.at(table[-1], tree[nodes][gone], mask[gone])
        yield number, steps, table


def _combined(
    tables: Iterator[tuple[int, np.ndarray, np.ndarray]],
) -> Iterator[tuple[tuple[_Column, ...], np.ndarray]]:
    """Yield tables of neighbouring columns joined into one of all combinations, if it is small."""
    columns: tuple[_Column, ...] = ()
    joined = np.empty((0, 0))
    for number, steps, table in tables:
        if columns and len(joined) * len(table) <= _COMBINATIONS:
            columns = (*columns, _Column(number, steps, len(joined)))
            joined = (table[:, None] & joined[None]).reshape(-1, table.shape[1])
            continue
        if columns:
            yield columns, joined
        columns, joined = (_Column(number, steps, 1),), table
    yield columns, joined


def _word(leaves: int) -> np.dtype:
    return np.dtype(next(word for most, word in _WORDS if leaves <= most))


def _leaf_ranges(forest: Forest) -> tuple[np.ndarray, np.ndarray]:
    """Return the first leaf below each node, numbered from the left, and their number."""
    count = forest.is_leaf.astype(np.intp)
    for nodes in reversed(forest.level):
        inner = nodes[~forest.is_leaf[nodes]]
        left = forest.child[inner]
        count[inner] = count[left] + count[left + 1]
    first = np.zeros(len(count), dtype=np.intp)
    for nodes in forest.level:
        inner = nodes[~forest.is_leaf[nodes]]
        left = forest.child[inner]
        first[left] = first[inner]
        first[left + 1] = first[inner] + count[left]
    return first, count


def _values_by_code(forest: Forest, first: np.ndarray) -> np.ndarray:
    """Return leaves' values by tree and number from the left, counted from 1."""
    values = np.zeros((forest.trees * (MOST_LEAVES + 1), forest.leaf.shape[1]))
    leaves = np.flatnonzero(forest.is_leaf)
    values[forest.tree_of_nodes()[leaves] * (MOST_LEAVES + 1) + first[leaves] + 1] = forest.leaf
    return values
