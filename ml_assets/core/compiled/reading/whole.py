"""A fitted model from its inputs to its answers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from ml_assets.core.baselines import (
    PastLabelClassifier,
    PastLabelRegressor,
    TypicalClassifier,
    TypicalRegressor,
)
from ml_assets.core.compiled import layout
from ml_assets.core.compiled.model import CompiledModel
from ml_assets.core.compiled.reading.linear_models import LINEAR
from ml_assets.core.compiled.reading.parts import EstimatorParts, name_of, plain_classes
from ml_assets.core.compiled.reading.transformers import Reading
from ml_assets.core.compiled.reading.tree_ensembles import TREES
from ml_assets.core.errors import ArtefactError, NotCompilable
from ml_assets.core.problem.learning import Task

_RULES = (TypicalRegressor, TypicalClassifier, PastLabelRegressor, PastLabelClassifier)
_INVERSES: dict[Callable[..., Any], layout.Target] = {np.expm1: "expm1", np.exp: "exp"}


def read_model(
    model: Any,  # noqa: ANN401
    *,
    task: Task,
    numeric: Sequence[str],
    categorical: Sequence[str],
    inputs: Sequence[str],
) -> CompiledModel:
    """Return a fitted model as arrays; see ``compile_model``."""
    chain = [one for _, one in model.steps] if type(model) is Pipeline else [model]
    estimator, target = _without_target_transform(chain[-1])
    family = name_of(estimator)
    known = (*numeric, *categorical)
    extra: list[str] = []
    if type(estimator) in _RULES:
        parts, preparation, arrays = _rule(estimator), None, {}
        extra = _read_by(estimator, inputs)
    else:
        read = {**TREES, **LINEAR}.get(type(estimator))
        if read is None:
            message = f"{family} is of no family that is compiled"
            raise NotCompilable(message)
        parts = read(estimator)
        names = tuple(getattr(chain[0], "feature_names_in_", known))
        reading = Reading(tuple(numeric), tuple(categorical), names)
        reading.front(chain[:-1])
        preparation, arrays = reading.preparation(parts.steps), reading.arrays
    if (task == "regression") == bool(parts.classes):
        message = f"{family} does not answer a {task} problem"
        raise NotCompilable(message)
    header = layout.Header(
        numeric=list(numeric),
        categorical=list(categorical),
        extra=extra,
        preparation=preparation,
        estimator=parts.estimator,
        link=parts.link,
        rule=parts.rule,
        target=target,
        classes=list(parts.classes),
        family=family,
    )
    try:
        return CompiledModel(header, {**arrays, **parts.arrays})
    except ArtefactError as error:
        message = f"{family} was read otherwise than it was fitted: {error}"
        raise NotCompilable(message) from error


def _without_target_transform(estimator: Any) -> tuple[Any, layout.Target]:  # noqa: ANN401
    if not isinstance(estimator, TransformedTargetRegressor):
        return estimator, "none"
    return _inverted(estimator)


def _inverted(estimator: Any) -> tuple[Any, layout.Target]:  # noqa: ANN401
    target = _INVERSES.get(estimator.inverse_func)
    if target is None or estimator.transformer is not None:
        message = "the target's transformation is neither a logarithm nor log1p"
        raise NotCompilable(message)
    return estimator.regressor_, target


def _rule(fitted: Any) -> EstimatorParts:  # noqa: ANN401
    match fitted:
        case TypicalRegressor():
            return EstimatorParts(layout.Constant([fitted.typical_]), "identity", "value")
        case TypicalClassifier():
            outputs = layout.Constant(fitted.frequencies_.tolist())
            classes = plain_classes(fitted.classes_)
            return EstimatorParts(outputs, "identity", "largest", classes=classes)
        case PastLabelRegressor():
            past = layout.PastLabel(0, [fitted.typical_], None)
            return EstimatorParts(past, "identity", "value")
        case _:
            otherwise = fitted.frequencies_.tolist()
            past = layout.PastLabel(0, otherwise, "followed")
            arrays = {"followed": fitted.transitions_.astype("<f8")}
            classes = plain_classes(fitted.classes_)
            return EstimatorParts(past, "identity", "largest", arrays, classes=classes)


def _read_by(fitted: Any, inputs: Sequence[str]) -> list[str]:  # noqa: ANN401
    """Return the input that holds past labels, if the rule reads any."""
    if not isinstance(fitted, PastLabelRegressor | PastLabelClassifier):
        return []
    if fitted.column not in inputs:
        message = f"the inputs have no column {fitted.column!r}"
        raise NotCompilable(message)
    return [fitted.column]
