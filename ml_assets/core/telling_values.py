"""How much a column's presence and its values tell of the label.

A reason that is filled only once a customer has left tells all by being there; a code that was
given to each class tells all by its value.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.problem import Task

MOST_VALUES = 50
ROWS_OF_A_VALUE = 20  # fewer may go with one class by chance

Codes = npt.NDArray[np.intp]


def tellings(
    column: pd.Series, label: pd.Series, *, task: Task, fewest: int
) -> Iterator[tuple[str, float]]:
    """Yield what may tell the label, in words, and the share of the label that it tells.

    Args:
        column: Of any kind. Of moments, and of numbers of many values, only the presence is judged.
        label: On the same index; no value is missing.
        task: What kind of label it is.
        fewest: Rows that a share is taken of, at least.

    Example:
        >>> left = pd.Series([True, False] * 50)
        >>> reason = pd.Series(["price", None] * 50, name="reason")
        >>> next(tellings(reason, left, task="binary", fewest=30))
        ('whether reason is filled', 1.0)
    """
    share = _variation_told if task == "regression" else _uncertainty_told
    filled = column.notna().to_numpy()
    values = _codes(column)
    everywhere = np.ones(len(filled), dtype=bool)
    for words, groups, among in (
        (f"whether {column.name} is filled", filled.astype(np.intp), everywhere),
        (f"which value {column.name} has", values, filled),
        (f"which value {column.name} has", values, everywhere),
    ):
        judged = among & (np.bincount(groups)[groups] >= ROWS_OF_A_VALUE)
        yield words, share(groups[judged], label[judged]) if judged.sum() >= fewest else 0.0


def _codes(column: pd.Series) -> Codes:
    """Return a number for each frequent value, one for all others and one for none."""
    values, distinct = pd.factorize(column)
    is_amount = pd.api.types.is_numeric_dtype(column) and len(distinct) > MOST_VALUES
    by_presence = is_amount or pd.api.types.is_datetime64_any_dtype(column)
    counts = np.bincount(values[values >= 0], minlength=len(distinct))
    order = np.argsort(-counts, kind="stable")[: 0 if by_presence else MOST_VALUES]
    frequent = order[counts[order] >= ROWS_OF_A_VALUE]
    code_of_value = np.full(len(distinct) + 1, len(frequent), dtype=np.intp)
    code_of_value[frequent] = np.arange(len(frequent))
    code_of_value[-1] = len(frequent) + 1  # factorize says -1 where there is no value
    return code_of_value[values]


def _uncertainty_told(groups: Codes, label: pd.Series) -> float:
    """Return Theil's uncertainty coefficient: how much less entropy the label has in the groups.

    The share of rows that is right says little: with 3 % of one class, 97 % are right anyway.
    """
    classes, distinct = pd.factorize(label)
    table = np.zeros((groups.max() + 1, len(distinct)))
    np.add.at(table, (groups, classes), 1)
    whole = _entropy(table.sum(axis=0))
    return 1 - sum(map(_entropy, table)) / whole if whole > 0 else 0.0


def _entropy(counts: np.ndarray) -> float:
    """Return the entropy of some rows by class, summed over the rows, in nats."""
    some = counts[counts > 0]
    return float(-(some * np.log(some / some.sum())).sum())


def _variation_told(groups: Codes, label: pd.Series) -> float:
    """Return the share of the variation of the label's ranks that lies between the groups."""
    ranks = label.rank()
    total = float(((ranks - ranks.mean()) ** 2).sum())
    within = float(((ranks - ranks.groupby(groups).transform("mean")) ** 2).sum())
    return 1 - within / total if total > 0 else 0.0
