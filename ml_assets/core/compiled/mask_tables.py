"""Which leaves a column of the estimator's matrix leaves possible, by the rank of its value.

In a tree whose leaves are numbered from the left, a node that is answered "greater" rules out all
leaves of its left subtree. What remains of all leaves after every such node has ruled out its own,
has the reached leaf as its lowest bit (QuickScorer: Lucchese et al., "QuickScorer: a Fast Algorithm
to Rank Documents with Additive Ensembles of Regression Trees", SIGIR 2015).

Here the nodes of one column are sorted by threshold. A value is greater than a prefix of them, so
what they leave together is one row of a table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ml_assets.core.compiled.forest import Forest

MOST_LEAVES = 64
_WORDS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))


@dataclass(frozen=True)
class MaskTable:
    """What the nodes of one column leave.

    Attributes:
        steps: Thresholds and then infinity, ascending.
        rows: Row r is for values greater than r steps, and the row behind the last is for NaN;
            shape (steps + 1, trees).
    """

    steps: np.ndarray
    rows: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return what each value leaves, shape (n, trees); a search puts NaN behind infinity."""
        return self.rows[self.steps.searchsorted(values)]


def mask_tables(forest: Forest) -> Iterator[tuple[int, MaskTable]]:
    """Yield the position of each column that is asked for, and what its nodes leave.

    Args:
        forest: Trees of at most ``MOST_LEAVES`` leaves.
    """
    first, count = _leaf_ranges(forest)
    word = _word_of(forest)
    tree = forest.tree_of_nodes()
    inner = np.flatnonzero(~forest.is_leaf)
    left = forest.child[inner]
    one = word.type(1)
    masks = ~(((one << count[left].astype(word)) - one) << first[left].astype(word))
    for number in np.unique(forest.feature[inner]).tolist():
        own = forest.feature[inner] == number
        nodes, mask = inner[own], masks[own]
        steps = np.unique(np.append(forest.threshold[nodes], np.inf))
        rows = np.tile(all_leaves(forest), (len(steps) + 1, 1))
        rank = np.searchsorted(steps, forest.threshold[nodes]) + 1
        below = rank < len(steps)  # nothing is greater than infinity
        np.bitwise_and.at(rows, (rank[below], tree[nodes][below]), mask[below])
        np.bitwise_and.accumulate(rows[:-1], axis=0, out=rows[:-1])
        gone = forest.missing_right[nodes]
        np.bitwise_and.at(rows[-1], tree[nodes][gone], mask[gone])
        yield number, MaskTable(steps, rows)


def most_leaves(forest: Forest) -> int:
    """Return the number of leaves of the largest tree."""
    return int(np.add.reduceat(forest.is_leaf.astype(np.intp), forest.root[:-1]).max())


def all_leaves(forest: Forest) -> np.ndarray:
    """Return the mask of each tree before anything is ruled out, shape (trees,)."""
    word = _word_of(forest)
    return np.full(forest.trees, np.iinfo(word).max, dtype=word)


def values_by_code(forest: Forest) -> np.ndarray:
    """Return leaves' values by tree and number from the left, counted from 1.

    Returns:
        Shape (trees * (``MOST_LEAVES`` + 1), outputs of one tree).
    """
    first, _ = _leaf_ranges(forest)
    values = np.zeros((forest.trees * (MOST_LEAVES + 1), forest.leaf.shape[1]))
    leaves = np.flatnonzero(forest.is_leaf)
    values[forest.tree_of_nodes()[leaves] * (MOST_LEAVES + 1) + first[leaves] + 1] = forest.leaf
    return values


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


def _word_of(forest: Forest) -> np.dtype:
    """Return the smallest type that has a bit for each leaf of a tree."""
    leaves = most_leaves(forest)
    return np.dtype(next(word for most, word in _WORDS if leaves <= most))
