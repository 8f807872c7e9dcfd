"""Rules without learning that every candidate has to beat, as scikit-learn estimators.

They read the whole inputs, columns ``baseline__<name>`` included, and need no preparation.
"""

from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from ml_assets.core.errors import DataError


class TypicalRegressor(RegressorMixin, BaseEstimator):
    """Predict the median label, which no constant beats in absolute error.

    Example:
        >>> rows = pd.DataFrame({"load": [1.0, 2.0, 3.0]})
        >>> TypicalRegressor().fit(rows, np.array([1.0, 2.0, 9.0])).predict(rows[:2])
        array([2., 2.])
    """

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Learn the median of ``y``."""
        self.n_features_in_ = X.shape[1]
        self.typical_ = float(np.median(y))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the median for every row."""
        return np.full(len(X), self.typical_)


class PastLabelRegressor(RegressorMixin, BaseEstimator):
    """Predict the label known before: the last one, or the one a season ago.

    Args:
        column: Column of the inputs that holds it; where it is missing, the median is predicted.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Learn what to say where no past label is known."""
        _column(X, self.column)
        self.n_features_in_ = X.shape[1]
        self.typical_ = float(np.median(y))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return each row's past label."""
        past = _column(X, self.column).to_numpy(dtype=np.float64)
        return np.where(np.isnan(past), self.typical_, past)


class TypicalClassifier(ClassifierMixin, BaseEstimator):
    """Predict the most frequent class, with the classes' frequencies as probabilities."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Learn the frequencies of ``y``."""
        self.n_features_in_ = X.shape[1]
        self.classes_, counts = np.unique(y, return_counts=True)
        self.frequencies_ = counts / counts.sum()
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the most frequent class for every row."""
        return np.full(len(X), self.classes_[self.frequencies_.argmax()])

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the classes' frequencies for every row, shape (n, k)."""
        return np.tile(self.frequencies_, (len(X), 1))


class PastLabelClassifier(ClassifierMixin, BaseEstimator):
    """Predict the class known before, with P(class | class before) as counted in training.

    The answer is the past class itself even where another is more probable: the rule is "nothing
    changes". The probabilities are smoothed by one imagined row a cell (Laplace).

    Args:
        column: Column of the inputs that holds the past class; where it is missing or was never
            seen, the most frequent class and the classes' frequencies are given.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Self:
        """Count how often each class follows each."""
        self.n_features_in_ = X.shape[1]
        self.classes_, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        self.frequencies_ = counts / counts.sum()
        past = self._past(X)
        followed = np.ones((len(self.classes_), len(self.classes_)))
        np.add.at(followed, (past[past >= 0], codes[past >= 0]), 1)
        self.transitions_ = followed / followed.sum(axis=1, keepdims=True)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return each row's past class."""
        past = self._past(X)
        return self.classes_[np.where(past >= 0, past, self.frequencies_.argmax())]

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the classes' probabilities given each row's past class, shape (n, k)."""
        past = self._past(X)
        return np.where((past >= 0)[:, None], self.transitions_[past], self.frequencies_)

    def _past(self, X: pd.DataFrame) -> np.ndarray:
        """Position of each row's past class, -1 where unknown."""
        # Through dict keys, since the column of a bool or integer label is float: 1.0 == 1 == True.
        positions = {label: position for position, label in enumerate(self.classes_.tolist())}
        labels = _column(X, self.column).tolist()
        return np.array([positions.get(label, -1) for label in labels], dtype=np.intp)


def _column(X: pd.DataFrame, name: str) -> pd.Series:
    if name not in X.columns:
        message = (
            f"The inputs have no column {name!r}, which holds a baseline's past labels. It comes "
            f"with the feature table: materialise that again after declaring the baseline."
        )
        raise DataError(message)
    return X[name]
