"""What stands between the features and an estimator, chosen by what the estimator can take."""

from typing import Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.core.errors import DataError

MODEL_STEP = "model"
MOST_CATEGORIES = 32
RARE_ROWS = 5  # categories with fewer rows are learned as one: "rare"

TargetTransform = Literal["none", "log1p"]


def prepared(
    estimator: Any,  # noqa: ANN401 - scikit-learn has no type for "an estimator"
    *,
    numeric: tuple[str, ...],
    categorical: tuple[str, ...],
    target_transform: TargetTransform = "none",
) -> Pipeline:
    """Return a pipeline from the features' frame to the estimator; it reads no other column.

    Numbers pass as they are if the estimator takes missing ones, else they are filled with the
    median, marked and scaled. Text becomes one column a category; "missing" is a category, and
    what training never saw counts as rare.

    Args:
        estimator: Not fitted; its parameters and seed are set.
        numeric: Columns of float64, NaN where missing.
        categorical: Columns of text, None where missing.
        target_transform: Whether the label is learned as log(1 + label).

    Raises:
        DataError: If there is no feature.

    Example:
        >>> import pandas as pd
        >>> from sklearn.linear_model import Ridge
        >>> rows = pd.DataFrame({"load": [1.0, None, 3.0], "rig": ["a", None, "b"]}, dtype=object)
        >>> rows["load"] = rows["load"].astype(float)
        >>> model = prepared(Ridge(), numeric=("load",), categorical=("rig",))
        >>> model.fit(rows, [1.0, 2.0, 3.0]).predict(rows).shape
        (3,)
    """
    if not numeric and not categorical:
        message = "There is no feature to learn from: select at least one in features.sql."
        raise DataError(message)
    parts: list[tuple[str, Any, list[str]]] = []
    if numeric:
        parts.append(("numeric", _numbers(estimator), list(numeric)))
    if categorical:
        parts.append(("categorical", _categories(), list(categorical)))
    inputs = ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)
    if target_transform == "log1p":
        estimator = TransformedTargetRegressor(
            regressor=estimator, func=np.log1p, inverse_func=np.expm1, check_inverse=False
        )
    pipeline = Pipeline([("inputs", inputs), (MODEL_STEP, estimator)])
    pipeline.set_output(transform="default")  # whatever sklearn.set_config says
    return pipeline


def takes_missing_numbers(estimator: Any) -> bool:  # noqa: ANN401
    """Say whether the estimator declares, by scikit-learn's tags, that NaN may be in its inputs."""
    tags = getattr(estimator, "__sklearn_tags__", None)
    return tags is not None and bool(tags().input_tags.allow_nan)


def _numbers(estimator: Any) -> Pipeline | str:  # noqa: ANN401
    if takes_missing_numbers(estimator):
        return "passthrough"
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return Pipeline([("fill", fill), ("scale", StandardScaler())])


def _categories() -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        max_categories=MOST_CATEGORIES,
        min_frequency=RARE_ROWS,
        sparse_output=False,
    )
