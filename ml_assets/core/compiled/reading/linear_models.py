"""Fitted linear models as coefficients and a link."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import linear_model, svm

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.reading.parts import EstimatorParts, numbers_of, plain_classes
from ml_assets.core.errors import NotCompilable

_REGRESSORS = (
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LinearRegression,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
    svm.LinearSVR,
)
_EXPONENTIAL = (linear_model.GammaRegressor, linear_model.PoissonRegressor)
_LOGISTIC = (linear_model.LogisticRegression, linear_model.LogisticRegressionCV)
_BY_DECISION = (
    linear_model.Perceptron,
    linear_model.RidgeClassifier,
    linear_model.RidgeClassifierCV,
    svm.LinearSVC,
)
_STEPS = (layout.Refuse(allow_nan=False),)


def _regressor(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    arrays = _arrays(fitted, "The coefficients")
    if len(arrays["intercept"]) != 1:
        message = "it has several targets"
        raise NotCompilable(message)
    link: layout.Link = "exp" if isinstance(fitted, _EXPONENTIAL) else "identity"
    return EstimatorParts(layout.Linear(), link, "value", arrays, _STEPS)


def _logistic(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    return _classifier(fitted, several="softmax_by_rows")


def _descent(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    if fitted.loss == "modified_huber":
        message = "the probabilities of the loss modified_huber are cut off, not linked"
        raise NotCompilable(message)
    several = "one_against_rest" if fitted.loss == "log_loss" else "softmax_by_rows"
    return _classifier(fitted, several=several)


def _classifier(fitted: Any, *, several: layout.Link) -> EstimatorParts:  # noqa: ANN401
    """Read scores; without probabilities, training takes the same links of them."""
    classes = plain_classes(fitted.classes_)
    arrays = _arrays(fitted, "The coefficients")
    two = len(arrays["intercept"]) == 1
    if len(arrays["intercept"]) != (1 if len(classes) == 2 else len(classes)):
        message = "it has several targets"
        raise NotCompilable(message)
    return EstimatorParts(
        layout.Linear(),
        "logistic" if two else several,
        "positive" if two else "largest",
        arrays,
        _STEPS,
        classes,
    )


def _arrays(fitted: Any, what: str) -> dict[str, np.ndarray]:  # noqa: ANN401
    coefficient = np.atleast_2d(fitted.coef_)
    numbers_of(coefficient, what)
    intercept = np.broadcast_to(np.asarray(fitted.intercept_, dtype=np.float64), len(coefficient))
    numbers_of(intercept, what)
    return {"coefficient": coefficient.astype("<f8"), "intercept": intercept.astype("<f8")}


LINEAR: dict[type, Callable[[Any], EstimatorParts]] = {
    **dict.fromkeys((*_REGRESSORS, *_EXPONENTIAL), _regressor),
    **dict.fromkeys(_LOGISTIC, _logistic),
    **dict.fromkeys(_BY_DECISION, lambda fitted: _classifier(fitted, several="softmax_by_rows")),
    linear_model.SGDClassifier: _descent,
}
