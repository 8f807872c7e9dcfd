"""What the prediction log holds as JSON, as the models had it."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd


def logged_features(
    texts: pd.Series, *, numeric: Sequence[str], categorical: Sequence[str]
) -> pd.DataFrame:
    """Return logged features, JSON texts, as the training set had them: floats, texts or None."""
    found = [json.loads(text) for text in texts]
    frame = pd.DataFrame(
        {name: [one.get(name) for one in found] for name in (*numeric, *categorical)},
        index=range(len(found)),
        dtype=object,
    )
    return plain_features(frame, numeric=numeric, categorical=categorical)


def plain_features(
    frame: pd.DataFrame, *, numeric: Sequence[str], categorical: Sequence[str]
) -> pd.DataFrame:
    """Return features read from JSON as the training set had them: floats, texts or None."""
    columns: dict[str, pd.Series] = {}
    absent = pd.Series([None] * len(frame), index=frame.index, dtype=object)
    for name in numeric:
        values = frame.get(name, absent)
        columns[name] = pd.to_numeric(values, errors="coerce").astype(float)
    for name in categorical:
        values = frame.get(name, absent)
        given = [None if pd.isna(value) else str(value) for value in values]
        columns[name] = pd.Series(given, index=frame.index, dtype=object)
    return pd.DataFrame(columns, index=frame.index)


def logged_probabilities(texts: pd.Series) -> list[dict[str, float]]:
    """Return the probability of each class by row, empty where the log holds none."""
    return [(json.loads(text) or {}) if isinstance(text, str) else {} for text in texts]


def logged_confidence(answers: pd.Series, texts: pd.Series) -> np.ndarray:
    """Return the probability of each answered class, NaN where the log holds none, shape (n,)."""
    given = logged_probabilities(texts)
    found = [one.get(str(answer), np.nan) for answer, one in zip(answers, given, strict=True)]
    return np.array(found, dtype=np.float64)
