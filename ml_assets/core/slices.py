"""Parts of the rows that are judged by themselves: the declared ones, and the worst one found."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.problem import Slice

_MOST_CATEGORIES = 20
_SMALLEST_LEAF, _LEAF_SHARE = 50, 0.02
_FLOAT32_MAX = float(np.finfo(np.float32).max)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RowSlice:
    """Some of the rows, described in words.

    Attributes:
        name: What the rows have in common.
        mask: Which rows, shape (n,).
        found: Whether it was declared or searched for.
    """

    name: str
    mask: Mask
    found: Literal["declared", "automatic"] = "declared"


def declared_slices(frame: pd.DataFrame, declared: tuple[Slice, ...]) -> tuple[RowSlice, ...]:
    """Return the slices of the declared columns: values of text, bins of numbers.

    A number without declared bins is cut at its quartiles. Beyond twenty categories, the rarest
    are one slice. Missing values are a slice of their own.

    Raises:
        DeclarationError: If a column is not in the frame, or bins are declared for text.

    Example:
        >>> frame = pd.DataFrame({"load": [1.0, 5.0, 9.0]})
        >>> [part.name for part in declared_slices(frame, (Slice(column="load", bins=(4,)),))]
        ['load < 4', 'load >= 4']
    """
    found: list[RowSlice] = []
    for one in declared:
        if one.column not in frame.columns:
            known = nearest(one.column, map(str, frame.columns))
            message = f"There is no column {one.column!r} to slice. {known}"
            raise DeclarationError(message)
        values = frame[one.column]
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if one.bins and not number:
            message = f"Slice {one.column!r} has bins, but its values are no numbers. Remove them."
            raise DeclarationError(message)
        parts = _bins(values, one.bins) if number else _categories(values)
        missing = RowSlice(f"{one.column} is missing", values.isna().to_numpy())
        found += [part for part in (*parts, missing) if part.mask.any()]
    return tuple(found)


def worst_slice(
    frame: pd.DataFrame,
    *,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
    loss: npt.NDArray[np.float64],
) -> RowSlice | None:
    """Return where a model does worst, found on the earlier half of the rows.

    A shallow tree of the loss finds the leaf. The mask holds only rows of the later half: the loss
    there is honest, since the search has not seen them. It must be above that of all rows, and of
    the later half, which may be the harder one.

    Args:
        frame: The rows in order of time.
        numeric: Features that are numbers.
        categorical: Features that are text.
        loss: The model's loss for each row.

    Returns:
        None if no split helps, no later row falls into the leaf, or those that do are no worse.
    """
    half = len(frame) // 2
    smallest = max(_SMALLEST_LEAF, int(np.ceil(_LEAF_SHARE * half)))
    if half < 2 * smallest:
        return None
    columns = _columns(frame, numeric, categorical, half)
    if columns.empty:
        return None
    matrix = columns.to_numpy(dtype=np.float64).clip(-_FLOAT32_MAX, _FLOAT32_MAX)
    tree: Any = DecisionTreeRegressor(max_depth=2, min_samples_leaf=smallest, random_state=0)
    tree.fit(matrix[:half], loss[:half])
    leaves = tree.apply(matrix)
    worst = max(np.unique(leaves[:half]).tolist(), key=lambda leaf: tree.tree_.value[leaf].item())
    mask = leaves == worst
    mask[:half] = False
    if worst == 0 or not mask.any():
        return None
    if loss[mask].mean() <= max(loss.mean(), loss[half:].mean()):
        return None
    return RowSlice(_words(tree, worst, columns), mask, "automatic")


def _bins(values: pd.Series, bins: tuple[float, ...]) -> list[RowSlice]:
    numbers = values.to_numpy(dtype=np.float64)
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return []
    edges = list(bins) or np.unique(np.quantile(present, [0.25, 0.5, 0.75])).tolist()
    bounds = [-np.inf, *edges, np.inf]
    parts = []
    for low, high in pairwise(bounds):
        mask = (numbers >= low) & (numbers < high)
        parts.append(RowSlice(_between(values.name, low, high), mask))
    return parts


def _between(name: object, low: float, high: float) -> str:
    if low == -np.inf:
        return f"{name} < {high:.6g}"
    if high == np.inf:
        return f"{name} >= {low:.6g}"
    return f"{low:.6g} <= {name} < {high:.6g}"


def _categories(values: pd.Series) -> list[RowSlice]:
    texts = values.astype(object)
    counts = texts.value_counts()
    # By count, then by name: the order of the rows must not decide which categories are kept.
    ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    kept = [category for category, _ in ranked[:_MOST_CATEGORIES]]
    parts = [RowSlice(f"{values.name} = {one}", (texts == one).to_numpy()) for one in kept]
    others = texts.notna() & ~texts.isin(kept)
    return [*parts, RowSlice(f"{values.name} is another", others.to_numpy())]


def _columns(
    frame: pd.DataFrame, numeric: tuple[str, ...], categorical: tuple[str, ...], half: int
) -> pd.DataFrame:
    """Numbers as they are, frequent categories as 0 or 1; names are (feature, category)."""
    columns: dict[tuple[str, str | None], npt.NDArray[np.float64]] = {}
    for name in numeric:
        values = frame[name].to_numpy(dtype=np.float64)
        if not np.isnan(values[:half]).all():
            columns[name, None] = values
    for name in categorical:
        for category in frame[name][:half].value_counts().index[:_MOST_CATEGORIES]:
            columns[name, category] = (frame[name] == category).to_numpy(dtype=np.float64)
    return pd.DataFrame(columns)


def _words(tree: Any, leaf: int, columns: pd.DataFrame) -> str:  # noqa: ANN401
    """Say which conditions lead to a leaf, one a column."""
    structure = tree.tree_
    parents = {}
    for node in range(structure.node_count):
        if structure.children_left[node] >= 0:
            parents[int(structure.children_left[node])] = (node, True)
            parents[int(structure.children_right[node])] = (node, False)
    lows: dict[int, float] = {}
    highs: dict[int, float] = {}
    missing: dict[int, bool] = {}
    while leaf:
        leaf, is_left = parents[leaf]
        column, threshold = int(structure.feature[leaf]), float(structure.threshold[leaf])
        bounds = highs if is_left else lows
        bounds.setdefault(column, threshold)  # the deeper bound is the tighter one
        goes_left = bool(structure.missing_go_to_left[leaf])
        missing[column] = missing.get(column, True) and goes_left == is_left
    described = [
        _condition(columns, column, lows.get(column), highs.get(column), also_missing=also)
        for column, also in sorted(missing.items())
    ]
    return " and ".join(described)


def _condition(
    columns: pd.DataFrame, column: int, low: float | None, high: float | None, *, also_missing: bool
) -> str:
    feature, category = columns.columns[column]
    if isinstance(category, str):
        return f"{feature} {'=' if low is not None else '!='} {category}"
    above = "" if low is None else f"{low:.4g} < "
    below = "" if high is None else f" <= {high:.4g}"
    text = f"{feature} > {low:.4g}" if high is None else f"{above}{feature}{below}"
    possible = also_missing and columns.iloc[:, column].isna().any()
    return f"({text} or missing)" if possible else text
