"""How likely each row is to be a recent one, by a classifier of its features.

It is asked about rows it has not learned from, and these are whole stretches of time: neighbours
in time resemble each other, so that a classifier would know rows by their neighbours.
"""

import numpy as np

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.rows import ComparedRows

FOLDS = 4
MOST_ROWS = 6000
LEAST_CHANCE = 0.01  # bounds the weight of a single row


def chance_recent(
    reference: ComparedRows, recent: ComparedRows, *, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return each row's chance to be recent, were both periods equally likely.

    Returns:
        Of the reference's rows and of the recent rows, each in [0.01, 0.99].
    """
    from sklearn.ensemble import (  # noqa: PLC0415  seconds that readers can spare
        HistGradientBoostingClassifier,
    )

    table, categorical = _table(reference, recent)
    is_recent = np.r_[np.zeros(len(reference)), np.ones(len(recent))]
    fold = np.r_[_folds(len(reference)), _folds(len(recent))]
    chances = np.empty(len(table))
    for number in range(FOLDS):
        learned = fold != number
        y = is_recent[learned]
        rate = y.mean()
        model = HistGradientBoostingClassifier(
            max_iter=40,
            learning_rate=0.1,
            max_leaf_nodes=8,
            min_samples_leaf=max(20, len(table) // 50),
            l2_regularization=10.0,
            categorical_features=categorical,
            random_state=seed,
        )
        model.fit(table[learned], y)
        found = model.predict_proba(table[~learned])[:, 1]
        # Bayes' rule takes out that there are more rows of one period.
        chances[~learned] = found / rate / (found / rate + (1 - found) / (1 - rate))
    chances = np.clip(chances, LEAST_CHANCE, 1 - LEAST_CHANCE)
    return chances[: len(reference)], chances[len(reference) :]


def separation(reference: FloatArray, recent: FloatArray) -> float:
    """Return how well the chances tell the periods apart: the area under the ROC curve."""
    order = np.sort(reference)
    below = np.searchsorted(order, recent, side="left")
    up_to = np.searchsorted(order, recent, side="right")
    return float((below + up_to).mean() / (2 * len(order)))


def _folds(count: int) -> np.ndarray:
    return np.minimum(np.arange(count) * FOLDS // max(count, 1), FOLDS - 1)


def _table(reference: ComparedRows, recent: ComparedRows) -> tuple[FloatArray, list[bool]]:
    columns = [np.r_[reference.numbers(name), recent.numbers(name)] for name in reference.numeric]
    for name in reference.categorical:
        values = np.r_[reference.frame[name].to_numpy(object), recent.frame[name].to_numpy(object)]
        columns.append(_codes(values))
    categorical = [False] * len(reference.numeric) + [True] * len(reference.categorical)
    return np.column_stack(columns), categorical


def _codes(values: np.ndarray, *, most: int = 200) -> FloatArray:
    """Number the most frequent texts; the rest, and missing ones, are missing."""
    texts = np.array(["" if value is None else str(value) for value in values])
    known, inverse, counts = np.unique(texts, return_inverse=True, return_counts=True)
    rank = np.empty(len(known))
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(known))
    codes = rank[inverse]
    codes[(codes >= most) | (texts == "")] = np.nan
    return codes
