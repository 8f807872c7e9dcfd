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
_CHUNK = 1 << 17  # bytes of masks in work at once: they should stay in the cache
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
    """

    def __init__(self, forest: Forest) -> None:
        first, count = _leaf_ranges(forest)
        self._word = _word(int(count[forest.root[:-1]].max()))
        self._groups: list[tuple[int, tuple[_Column, ...]]] = []
        tables: list[np.ndarray] = []
        rows = 0
        for columns, table in _combined(_tables(forest, first, count, self._word)):
            self._groups.append((rows, columns))
            tables.append(table)
            rows += len(table)
        self._table = np.concatenate(tables)
        self._lists = [
            (start, [(c.number, c.steps.tolist(), c.stride, len(c.steps)) for c in columns])
            for start, columns in self._groups
        ]
        self._places = _places_of_leaves(forest, first)
        self._offsets = np.arange(forest.trees) * (MOST_LEAVES + 1)

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

    def leaves(self, matrix: np.ndarray) -> np.ndarray:
        """Return the leaf that each row reaches in each tree, shape (n, trees)."""
        if len(matrix) > 1:
            return self._lowest(self._many(matrix))
        row = matrix[0].tolist()
        places = []
        for start, columns in self._lists:
            place = start
            for number, steps, stride, missing in columns:
                value = row[number]
                rank = bisect_left(steps, value) if value == value else missing  # noqa: PLR0124
                place += rank * stride
            places.append(place)
        return self._lowest(np.bitwise_and.reduce(self._table[places], axis=0))[None, :]

    def _many(self, matrix: np.ndarray) -> np.ndarray:
        trees = self._table.shape[1]
        places = [start + _ranks(columns, matrix) for start, columns in self._groups]
        left = self._table.take(places[0], axis=0)
        rows = max(1, _CHUNK // (trees * self._word.itemsize))
        buffer = np.empty((min(rows, len(matrix)), trees), self._word)
        for start in range(0, len(matrix), rows):
            part = left[start : start + rows]
            spare = buffer[: len(part)]
            for place in places[1:]:
                self._table.take(place[start : start + rows], axis=0, out=spare, mode="clip")
                np.bitwise_and(part, spare, out=part)
        return left

    def _lowest(self, left: np.ndarray) -> np.ndarray:
        """Return the leaf of each lowest bit: the bits up to it are counted."""
        bits = np.bitwise_count(left ^ (left - self._word.type(1)))
        return self._places.take(bits + self._offsets)


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


def _places_of_leaves(forest: Forest, first: np.ndarray) -> np.ndarray:
    """Return where the leaf with a number, counted from 1, of a tree stands among all leaves."""
    places = np.zeros(forest.trees * (MOST_LEAVES + 1), dtype=np.intp)
    leaves = np.flatnonzero(forest.is_leaf)
    tree = forest.tree_of_nodes()[leaves]
    places[tree * (MOST_LEAVES + 1) + first[leaves] + 1] = np.arange(len(leaves))
    return places
