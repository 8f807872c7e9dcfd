"""Fitted transformers of numbers as steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.reading.parts import name_of, numbers_of
from ml_assets.core.errors import NotCompilable


def steps_of(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    """Return what a fitted transformer of numbers does.

    Raises:
        NotCompilable: If it is of an unknown class or set in an unknown way.
    """
    read = _STEPS.get(type(fitted))
    if read is None:
        message = f"the transformer {name_of(fitted)} is of no kind that is compiled"
        raise NotCompilable(message)
    return read(fitted)


def passes(fitted: Any) -> bool:  # noqa: ANN401
    """Say whether a fitted transformer hands on what it is given."""
    identity = type(fitted) is FunctionTransformer and getattr(fitted, "func", None) is None
    return fitted is None or identity or (isinstance(fitted, str) and fitted == "passthrough")


def _impute(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    if not (isinstance(fitted.missing_values, float) and np.isnan(fitted.missing_values)):
        message = f"SimpleImputer takes {fitted.missing_values!r} for missing"
        raise NotCompilable(message)
    statistics = np.asarray(fitted.statistics_, dtype=np.float64)
    kept = np.arange(len(statistics))
    if not fitted.keep_empty_features:
        kept = np.flatnonzero(~np.isnan(statistics))
    marked = [] if fitted.indicator_ is None else fitted.indicator_.features_.tolist()
    fill = numbers_of(statistics[kept], "SimpleImputer")
    # Infinite numbers are refused before; but NaN is gone after it, and so one check does for all.
    return [layout.Impute(fill, kept.tolist(), marked), layout.Refuse(allow_nan=False)]


def _standard(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    shift = fitted.mean_ if fitted.with_mean else None
    return _scaled("StandardScaler", shift, fitted.scale_ if fitted.with_std else None)


def _robust(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    shift = fitted.center_ if fitted.with_centering else None
    return _scaled("RobustScaler", shift, fitted.scale_ if fitted.with_scaling else None)


def _by_range(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    low, high = fitted.feature_range
    clip: list[layout.Step] = [layout.Clip(float(low), float(high))] if fitted.clip else []
    return [
        layout.Refuse(allow_nan=True),
        layout.Arithmetic("multiply", numbers_of(fitted.scale_, "MinMaxScaler")),
        layout.Arithmetic("add", numbers_of(fitted.min_, "MinMaxScaler")),
        *clip,
    ]


def _by_largest(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    clip: list[layout.Step] = [layout.Clip(-1.0, 1.0)] if fitted.clip else []
    return [*_scaled("MaxAbsScaler", None, fitted.scale_), *clip]


def _scaled(what: str, shift: Any, scale: Any) -> list[layout.Step]:  # noqa: ANN401
    steps: list[layout.Step] = [layout.Refuse(allow_nan=True)]
    if shift is not None:
        steps.append(layout.Arithmetic("subtract", numbers_of(shift, what)))
    if scale is not None:
        steps.append(layout.Arithmetic("divide", numbers_of(scale, what)))
    return steps


def _selected(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    return [layout.Select(np.flatnonzero(fitted.get_support()).tolist())]


_STEPS: dict[type, Callable[[Any], list[layout.Step]]] = {
    SimpleImputer: _impute,
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _by_range,
    MaxAbsScaler: _by_largest,
    SelectFromModel: _selected,
    SelectKBest: _selected,
    VarianceThreshold: _selected,
}
