"""The loss of each answered row, learned from rows whose loss is known: no label is needed.

A regressor of the loss on the features and the answer, as NannyML's direct loss estimation (DLE).
It holds as long as rows like these go on being answered as badly: under covariate drift it follows,
to concept drift it is blind.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.one_thread import one_thread

FloatArray = npt.NDArray[np.float64]

ANSWER = "_answer"  # no feature's name may start with an underscore
SETTINGS = {"max_iter": 80, "learning_rate": 0.08, "max_leaf_nodes": 15, "min_samples_leaf": 40}


def fit_direct_loss(
    features: pd.DataFrame,
    answers: np.ndarray,
    losses: FloatArray,
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    seed: int,
) -> Any:  # noqa: ANN401 - scikit-learn has no type for "a fitted pipeline"
    """Return a fitted regressor of the loss.

    Args:
        features: Of the reference rows, n of them.
        answers: What the model answered without having seen these rows, shape (n,).
        losses: Of these answers, shape (n,).
        numeric: Columns of numbers, NaN where missing.
        categorical: Columns of text, None where missing.
        seed: Of the regressor.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - seconds

    from ml_assets.core.preparation import prepared  # noqa: PLC0415 - imports scikit-learn

    seen = [name for name in numeric if features[name].notna().any()]
    frame = _with_answers(features, answers)
    is_number = pd.api.types.is_numeric_dtype(frame[ANSWER])
    model = prepared(
        HistGradientBoostingRegressor(random_state=seed, **SETTINGS),
        numeric=(*seen, ANSWER) if is_number else tuple(seen),
        categorical=tuple(categorical) if is_number else (*categorical, ANSWER),
    )
    with one_thread():
        return model.fit(frame, losses)


def direct_losses(model: Any, features: pd.DataFrame, answers: np.ndarray) -> FloatArray:  # noqa: ANN401
    """Return the expected loss of each answered row, shape (n,).

    Args:
        model: What ``fit_direct_loss`` returned.
        features: Of the answered rows.
        answers: What was answered.
    """
    if not len(features):
        return np.empty(0)
    with one_thread():
        found = model.predict(_with_answers(features, answers))
    return np.maximum(np.asarray(found, np.float64), 0.0)


def _with_answers(features: pd.DataFrame, answers: np.ndarray) -> pd.DataFrame:
    values = np.asarray(answers)
    plain = values.astype(np.float64) if values.dtype.kind in "fiu" else values.astype(str)
    return features.assign(**{ANSWER: pd.Series(plain, index=features.index)})
