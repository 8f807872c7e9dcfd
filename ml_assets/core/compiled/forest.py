"""Trees as arrays of nodes: their verification, and a walk from the roots to the leaves.

Siblings stand side by side and after their parent, so that one number names both, every walk goes
forward, and it ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml_assets.core.compiled.checks import array, check

MOST_LEVELS = 4096
_CELLS = 1 << 16  # walked at once; more would leave the cache


@dataclass(frozen=True)
class Forest:
    """Trees one after another.

    Attributes:
        feature: Column that a node asks for, -1 at leaves; shape (nodes,), as the next three.
        threshold: What is at most this goes left.
        child: The left child's position; the right one is the next. The own position at leaves.
        missing_right: Whether NaN goes right.
        root: First node of each tree, and the number of nodes; shape (trees + 1,).
        leaf: What each leaf adds, in the order of nodes; shape (leaves, outputs of one tree).
        level: Nodes by distance from their root.
    """

    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    missing_right: np.ndarray
    root: np.ndarray
    leaf: np.ndarray
    level: tuple[np.ndarray, ...]

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self.root) - 1

    @property
    def is_leaf(self) -> np.ndarray:
        """Whether each node is a leaf."""
        return self.feature < 0

    def tree_of_nodes(self) -> np.ndarray:
        """Return the tree that each node belongs to."""
        return np.repeat(np.arange(self.trees), np.diff(self.root))


def read_forest(arrays: Mapping[str, np.ndarray], *, width: int) -> Forest:
    """Return the trees of a file, after every position in them was found to exist.

    Each node but a root must be the child of exactly one node before it in its tree. So it is a
    tree, and walking it ends.

    Args:
        arrays: Of the file.
        width: Columns that a node may ask for.

    Raises:
        ArtefactError: If they are no trees.
    """
    feature = array(arrays, "feature", "<i4", 1)
    threshold = array(arrays, "threshold", "<f8", 1)
    child = array(arrays, "child", "<i4", 1).astype(np.intp)
    missing_right = array(arrays, "missing_right", "|u1", 1).astype(bool)
    root = array(arrays, "root", "<i4", 1).astype(np.intp)
    leaf = array(arrays, "leaf", "<f8", 2)
    nodes = len(feature)
    check(len(threshold) == len(child) == len(missing_right) == nodes > 0, "nodes are incomplete")
    check(feature.max() < width and feature.min() >= -1, "a node asks for no known column")
    check(len(root) > 1 and root[0] == 0 and root[-1] == nodes, "the trees do not fill the nodes")
    check(bool((np.diff(root) > 0).all()), "a tree is empty")
    inner = np.flatnonzero(feature >= 0)
    check(not np.isnan(threshold[inner]).any(), "a threshold is NaN")
    check(len(leaf) == nodes - len(inner) and leaf.shape[1] > 0, "leaves have no value each")
    ends = np.repeat(root[1:], np.diff(root))
    left = child[inner]
    check(bool(((left > inner) & (left + 1 < ends[inner])).all()), "a child is out of its tree")
    parents = np.bincount(np.concatenate([left, left + 1]), minlength=nodes)
    expected = np.ones(nodes, dtype=np.intp)
    expected[root[:-1]] = 0
    check(np.array_equal(parents, expected), "a node has no parent, or two")
    itself = np.arange(nodes)
    child = np.where(feature >= 0, child, itself)
    return Forest(
        feature, threshold, child, missing_right, root, leaf, _levels(feature, child, root)
    )


def _levels(feature: np.ndarray, child: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, ...]:
    levels, now = [], root[:-1]
    while now.size:
        check(len(levels) < MOST_LEVELS, f"a tree is deeper than {MOST_LEVELS}")
        levels.append(now)
        left = child[now[feature[now] >= 0]]
        now = np.concatenate([left, left + 1])
    return tuple(levels)


class Walk:
    """Finds leaves by walking all trees at once, level by level.

    Args:
        forest: Verified trees.

    Attributes:
        offsets: The value of a leaf is ``values[code + offset of its tree]``: 0, as codes count
            the leaves of all trees.
        values: Shape (leaves, outputs of one tree).
    """

    def __init__(self, forest: Forest) -> None:
        self._roots = forest.root[:-1]
        self._levels = len(forest.level) - 1
        # A leaf is its own left child, and nothing is greater than infinity: walks rest there.
        self._feature = np.maximum(forest.feature, 0).astype(np.intp)
        self._threshold = np.where(forest.is_leaf, np.inf, forest.threshold)
        self._child = forest.child
        self._missing_right = forest.missing_right & ~forest.is_leaf
        self._is_leaf = forest.is_leaf
        self._leaf = np.cumsum(forest.is_leaf) - 1
        self.offsets = np.zeros(forest.trees, dtype=np.intp)
        self.values = forest.leaf

    def codes(self, matrix: np.ndarray) -> np.ndarray:
        """Return the position of the leaf that each row reaches, shape (n, trees)."""
        rows = max(1, _CELLS // len(self._roots))
        parts = [self._walk(matrix[n : n + rows]) for n in range(0, len(matrix), rows)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _walk(self, matrix: np.ndarray) -> np.ndarray:
        rows, width = matrix.shape
        values = matrix.ravel()
        # One cell is one row in one tree.
        nodes = np.tile(self._roots, rows)
        first = np.repeat(np.arange(0, rows * width, width), len(self._roots))
        gaps = bool(np.isnan(matrix).any())
        reached = np.empty(len(nodes), dtype=np.intp)
        cells = np.arange(len(nodes))
        for level in range(self._levels):
            asked = values.take(first + self._feature.take(nodes))
            right = asked > self._threshold.take(nodes)
            if gaps:
                right |= np.isnan(asked) & self._missing_right.take(nodes)
            nodes = self._child.take(nodes) + right
            if rows > 1 and level % 2:
                ended = self._is_leaf.take(nodes)
                reached[cells[ended]] = nodes[ended]
                goes_on = ~ended
                nodes, first, cells = nodes[goes_on], first[goes_on], cells[goes_on]
                if not cells.size:
                    break
        reached[cells] = nodes
        return self._leaf.take(reached).reshape(rows, -1)
