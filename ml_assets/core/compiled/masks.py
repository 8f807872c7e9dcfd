"""Leaves of small trees found with bit masks instead of a walk.

In a tree whose leaves are numbered from the left, a node that is answered "greater" rules out all
leaves of its left subtree. What remains of all leaves after every such node has ruled out its own,
has the reached leaf as its lowest bit (QuickScorer: Lucchese et al., "QuickScorer: a Fast Algorithm
to Rank Documents with Additive Ensembles of Regression Trees", SIGIR 2015).

Here the nodes of one column are sorted by threshold. A value is greater than a prefix of them, so
what they leave together is one row of a table made beforehand: a binary search a column finds the
row, and the conjunction of one row a column leaves the answer for all trees at once.
"""

from bisect import bisect_left

import numpy as np

from ml_assets.core.compiled.forest import Forest

MOST_LEAVES = 64
LARGEST_TABLE = 1 << 26  # bytes; beyond it, a walk
_CHUNK = 1 << 17  # bytes of masks in work at once: they should stay in the cache
_WORDS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))


class Masks:
    """Finds leaves by the conjunction of masks.

    Args:
        forest: Verified trees that ``fits``.
    """

    def __init__(self, forest: Forest) -> None:
        first, count = _leaf_ranges(forest)
        word = _word(int(count[forest.root[:-1]].max()))
        tree = forest.tree_of_nodes()
        inner = np.flatnonzero(forest.feature >= 0)
        left = forest.child[inner]
        spans = (_ones(word, count[left]) << first[left].astype(word)).astype(word)
        masks = ~spans
        tables: list[np.ndarray] = []
        self._columns: list[tuple[int, list[float], int, int]] = []
        self._thresholds: list[np.ndarray] = []
        rows = 0
        for column in np.unique(forest.feature[inner]).tolist():
            own = forest.feature[inner] == column
            nodes = inner[own]
            # With infinity as the last threshold, a search puts NaN, and only NaN, behind it.
            steps = np.unique(np.append(forest.threshold[nodes], np.inf))
            table = np.full((len(steps) + 1, forest.trees), np.iinfo(word).max, dtype=word)
            rank = np.searchsorted(steps, forest.threshold[nodes])
            below = rank + 1 < len(steps)  # nothing is greater than an infinite threshold
            np.bitwise_and.at(table, (rank[below] + 1, tree[nodes][below]), masks[own][below])
            np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
            gone = forest.missing_right[nodes]
            np.bitwise_and.at(table[-1], tree[nodes][gone], masks[own][gone])
            self._columns.append((column, steps.tolist(), rows, rows + len(steps)))
            self._thresholds.append(steps)
            tables.append(table)
            rows += len(table)
        self._table = np.concatenate(tables) if tables else np.empty((0, forest.trees), word)
        self._word = word
        self._places = _places_of_leaves(forest, first)
        self._offsets = np.arange(forest.trees) * (MOST_LEAVES + 1)

    @staticmethod
    def fits(forest: Forest) -> bool:
        """Say whether the trees are small enough, and their tables too."""
        leaves = np.add.reduceat(forest.is_leaf.astype(np.intp), forest.root[:-1])
        inner = forest.feature >= 0
        asked = np.unique(np.column_stack([forest.feature[inner], forest.threshold[inner]]), axis=0)
        rows = len(asked) + 2 * len(np.unique(asked[:, 0]))
        if leaves.max() > MOST_LEAVES:
            return False
        return rows * forest.trees * _word(int(leaves.max())).itemsize <= LARGEST_TABLE

    def leaves(self, matrix: np.ndarray) -> np.ndarray:
        """Return the leaf that each row reaches in each tree, shape (n, trees)."""
        if len(matrix) == 1:
            row = matrix[0].tolist()
            places = [
                first + bisect_left(steps, row[column]) if row[column] == row[column] else missing
                for column, steps, first, missing in self._columns
            ]
            left = np.bitwise_and.reduce(self._table[places], axis=0)
            return self._lowest(left)[None, :]
        return self._lowest(self._many(matrix))

    def _many(self, matrix: np.ndarray) -> np.ndarray:
        left = np.full((len(matrix), len(self._offsets)), np.iinfo(self._word).max, self._word)
        places = [
            first + steps.searchsorted(matrix[:, column])
            for (column, _, first, _), steps in zip(self._columns, self._thresholds, strict=True)
        ]
        rows = max(1, _CHUNK // (self._table.shape[1] * self._word.itemsize))
        buffer = np.empty((min(rows, len(matrix)), len(self._offsets)), self._word)
        for start in range(0, len(matrix), rows):
            part = left[start : start + rows]
            spare = buffer[: len(part)]
            for rows_of_column in places:
                self._table.take(
                    rows_of_column[start : start + rows], axis=0, out=spare, mode="clip"
                )
                np.bitwise_and(part, spare, out=part)
        return left

    def _lowest(self, left: np.ndarray) -> np.ndarray:
        """Return the leaf of each lowest bit: the bits up to it are counted."""
        bits = np.bitwise_count(left ^ (left - self._word.type(1)))
        return self._places.take(bits + self._offsets)


def _word(leaves: int) -> np.dtype:
    return np.dtype(next(word for most, word in _WORDS if leaves <= most))


def _ones(word: np.dtype, count: np.ndarray) -> np.ndarray:
    """Return numbers of ``count`` low bits; at least one and never all of a word's."""
    return (word.type(1) << count.astype(word)) - word.type(1)


def _leaf_ranges(forest: Forest) -> tuple[np.ndarray, np.ndarray]:
    """Return the first leaf below each node, numbered from the left, and their number."""
    count = forest.is_leaf.astype(np.intp)
    for nodes in reversed(forest.level):
        inner = nodes[forest.feature[nodes] >= 0]
        left = forest.child[inner]
        count[inner] = count[left] + count[left + 1]
    first = np.zeros(len(count), dtype=np.intp)
    for nodes in forest.level:
        inner = nodes[forest.feature[nodes] >= 0]
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
