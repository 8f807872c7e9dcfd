"""Fitted trees, alone or many, as arrays of nodes."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.forest import MOST_LEVELS
from ml_assets.core.compiled.reading.parts import EstimatorParts, name_of, plain_classes
from ml_assets.core.errors import NotCompilable

_EXPONENTIAL_LINK = frozenset({"poisson", "gamma"})
_Tree = dict[str, np.ndarray]


def _hist_boosting(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    if fitted._preprocessor is not None:  # noqa: SLF001
        message = "its own categorical features are read by scikit-learn only"
        raise NotCompilable(message)
    baseline = np.asarray(fitted._baseline_prediction)  # noqa: SLF001
    trees = [
        _hist_tree(predictor.nodes)
        for stage in fitted._predictors  # noqa: SLF001
        for predictor in stage
    ]
    if baseline.dtype != np.float64:
        message = "it was fitted with 32-bit floats"
        raise NotCompilable(message)
    estimator = layout.Trees(start=baseline.ravel().tolist(), average=False, single=False)
    if type(fitted) is HistGradientBoostingRegressor:
        link: layout.Link = "exp" if _loss(fitted) in _EXPONENTIAL_LINK else "identity"
        return EstimatorParts(estimator, link, "value", _arrays(trees))
    return _boosted_classes(fitted, estimator, trees, rule="positive", several="softmax_by_columns")


def _loss(fitted: Any) -> str:  # noqa: ANN401
    return fitted.loss


def _hist_tree(nodes: np.ndarray) -> _Tree:
    if nodes["is_categorical"].any():
        message = "a tree splits by categories"
        raise NotCompilable(message)
    inner = ~nodes["is_leaf"].astype(bool)
    return _by_levels(
        left=np.where(inner, nodes["left"].astype(np.intp), -1),
        right=np.where(inner, nodes["right"].astype(np.intp), -1),
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        missing_right=nodes["missing_go_to_left"] == 0,
        value=nodes["value"][:, None],
    )


def _gradient_boosting(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    if isinstance(fitted.init_, str):
        start = np.zeros(fitted.estimators_.shape[1])
    elif fitted.init is None:
        # Without an estimator of its own, it starts from the same constant for every row.
        anything = np.zeros((1, fitted.n_features_in_), dtype=np.float32)
        start = fitted._raw_predict_init(anything)  # noqa: SLF001
    else:
        message = f"it starts from an estimator of its own, {name_of(fitted.init_)}"
        raise NotCompilable(message)
    trees = [
        # The product is rounded before it is added, so it can be taken beforehand.
        _cart(one.tree_, lambda tree: fitted.learning_rate * tree.value[:, 0, :1])
        for one in fitted.estimators_.ravel()
    ]
    estimator = layout.Trees(start=start.ravel().tolist(), average=False, single=True)
    steps = (layout.Refuse(allow_nan=False),)
    if isinstance(fitted, GradientBoostingRegressor):
        return EstimatorParts(estimator, "identity", "value", _arrays(trees), steps)
    return _boosted_classes(
        fitted,
        estimator,
        trees,
        rule="not_negative",
        several="softmax_by_rows",
        double=fitted.loss == "exponential",
        steps=steps,
    )


def _boosted_classes(
    fitted: Any,  # noqa: ANN401
    estimator: layout.Trees,
    trees: list[_Tree],
    *,
    rule: layout.Rule,
    several: layout.Link,
    double: bool = False,
    steps: tuple[layout.Step, ...] = (),
) -> EstimatorParts:
    two = len(estimator.start) == 1
    one_link: layout.Link = "logistic_of_double" if double else "logistic"
    return EstimatorParts(
        estimator,
        one_link if two else several,
        rule if two else "largest",
        _arrays(trees),
        steps,
        plain_classes(fitted.classes_),
    )


def _averaged(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    if fitted.n_jobs not in {None, 1}:
        message = f"n_jobs is {fitted.n_jobs}: scikit-learn then adds its trees in any order"
        raise NotCompilable(message)
    return _voting(fitted, [one.tree_ for one in fitted.estimators_], average=True)


def _single(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    return _voting(fitted, [fitted.tree_], average=False)


def _voting(fitted: Any, found: Iterable[Any], *, average: bool) -> EstimatorParts:  # noqa: ANN401
    if fitted.n_outputs_ != 1:
        message = "it has several targets"
        raise NotCompilable(message)
    trees = [_cart(tree, lambda one: one.value[:, 0, :]) for tree in found]
    outputs = trees[0]["leaf"].shape[1]
    estimator = layout.Trees(start=[0.0] * outputs, average=average, single=True)
    allows_nan = bool(fitted.__sklearn_tags__().input_tags.allow_nan)
    parts = {"arrays": _arrays(trees), "steps": (layout.Refuse(allow_nan=allows_nan),)}
    if not hasattr(fitted, "classes_"):
        return EstimatorParts(estimator, "identity", "value", **parts)
    classes = plain_classes(fitted.classes_)
    return EstimatorParts(estimator, "identity", "largest", classes=classes, **parts)


def _cart(tree: Any, values: Callable[[Any], np.ndarray]) -> _Tree:  # noqa: ANN401
    missing_left = tree.missing_go_to_left.astype(bool)
    return _by_levels(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_right=~missing_left,
        value=values(tree),
    )


def _by_levels(
    *,
    left: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    missing_right: np.ndarray,
    value: np.ndarray,
) -> _Tree:
    """Return a tree's nodes level by level, with siblings side by side."""
    order, level = [], np.zeros(1, dtype=np.intp)
    while level.size:
        if len(order) == MOST_LEVELS:
            message = f"a tree is deeper than {MOST_LEVELS} nodes"
            raise NotCompilable(message)
        order.append(level)
        inner = level[left[level] >= 0]
        level = np.column_stack([left[inner], right[inner]]).ravel()
    old = np.concatenate(order)
    new = np.empty(len(left), dtype=np.intp)
    new[old] = np.arange(len(old))
    is_leaf = left[old] < 0
    return {
        "feature": np.where(is_leaf, -1, feature[old].astype(np.int64)),
        "threshold": np.where(is_leaf, 0.0, threshold[old]),
        "child": np.where(is_leaf, 0, new[left[old]]),
        "missing_right": missing_right[old] & ~is_leaf,
        "leaf": value[old[is_leaf]],
    }


def _arrays(trees: list[_Tree]) -> dict[str, np.ndarray]:
    root = np.concatenate([[0], np.cumsum([len(tree["feature"]) for tree in trees])])
    shifted = [tree["child"] + first for tree, first in zip(trees, root[:-1], strict=True)]
    return {
        "feature": np.concatenate([tree["feature"] for tree in trees]).astype("<i4"),
        "threshold": np.concatenate([tree["threshold"] for tree in trees]).astype("<f8"),
        "child": np.concatenate(shifted).astype("<i4"),
        "missing_right": np.concatenate([tree["missing_right"] for tree in trees]).astype("|u1"),
        "root": root.astype("<i4"),
        "leaf": np.concatenate([tree["leaf"] for tree in trees]).astype("<f8"),
    }


TREES: dict[type, Callable[[Any], EstimatorParts]] = {
    HistGradientBoostingRegressor: _hist_boosting,
    HistGradientBoostingClassifier: _hist_boosting,
    GradientBoostingRegressor: _gradient_boosting,
    GradientBoostingClassifier: _gradient_boosting,
    RandomForestRegressor: _averaged,
    RandomForestClassifier: _averaged,
    ExtraTreesRegressor: _averaged,
    ExtraTreesClassifier: _averaged,
    DecisionTreeRegressor: _single,
    DecisionTreeClassifier: _single,
    ExtraTreeRegressor: _single,
    ExtraTreeClassifier: _single,
}
