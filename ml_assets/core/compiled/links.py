"""From an estimator's outputs to values and probabilities, with scikit-learn's own rounding.

The logistic function is scipy's: 1 / (1 + exp(-x)) with the C library's exponential, which is
``math.exp``; numpy's own differs in the last place. The softmax is scikit-learn's, with numpy's.
"""

from collections.abc import Callable, Mapping
from math import exp

import numpy as np


def logistic(scores: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-score)), shape (n,).

    Example:
        >>> logistic(np.array([0.0, -800.0, 800.0]))
        array([0.5, 0. , 1. ])
    """
    return np.array([_logistic(score) for score in scores.tolist()], dtype=np.float64)


def _logistic(score: float) -> float:
    try:
        return 1.0 / (1.0 + exp(-score))
    except OverflowError:  # 1 / infinity
        return 0.0


def _two(positive: np.ndarray) -> np.ndarray:
    return np.stack([1 - positive, positive], axis=1)


def _logistic_of_one(outputs: np.ndarray) -> np.ndarray:
    return _two(logistic(outputs[:, 0]))


def _logistic_of_double(outputs: np.ndarray) -> np.ndarray:
    return _two(logistic(2 * outputs[:, 0]))


def _softmax(outputs: np.ndarray, *, by_columns: bool) -> np.ndarray:
    """Return the softmax of each row.

    Args:
        outputs: Shape (n, k).
        by_columns: Whether the sum adds one column to the next, as numpy does where scikit-learn
            keeps outputs by columns; otherwise in numpy's order within a row.
    """
    powers = np.exp(outputs - outputs.max(axis=1)[:, None])
    if by_columns:
        total = powers[:, 0]
        for column in range(1, powers.shape[1]):
            total = total + powers[:, column]
    else:
        total = powers.sum(axis=1)
    return powers / total[:, None]


def _one_against_rest(outputs: np.ndarray) -> np.ndarray:
    shares = np.column_stack([logistic(column) for column in outputs.T])
    total = shares.sum(axis=1)
    shares[total == 0] = 1
    total[total == 0] = shares.shape[1]
    return shares / total[:, None]


LINKS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda outputs: outputs,
    "exp": np.exp,
    "logistic": _logistic_of_one,
    "logistic_of_double": _logistic_of_double,
    "softmax_by_columns": lambda outputs: _softmax(outputs, by_columns=True),
    "softmax_by_rows": lambda outputs: _softmax(outputs, by_columns=False),
    "one_against_rest": _one_against_rest,
}
