"""Fitted transformers as blocks of a preparation and steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.reading.categories import ENCODERS, read_categories
from ml_assets.core.compiled.reading.parts import name_of, numbers_of
from ml_assets.core.errors import NotCompilable

_SELECTORS = (SelectFromModel, SelectKBest, VarianceThreshold)


@dataclass
class Reading:
    """Collects blocks, arrays and steps while a pipeline is read from its front to its end.

    Attributes:
        numeric: Names of the numeric inputs.
        categorical: Names of the categorical inputs.
        names: Columns that the model was fitted on, in order.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    names: tuple[str, ...]
    blocks: list[layout.Block] = field(default_factory=list)
    steps: list[layout.Step] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def front(self, transformers: Sequence[Any]) -> None:
        """Read everything before the estimator."""
        rest = [one for one in transformers if not _passes(one)]
        if rest and type(rest[0]) is ColumnTransformer:
            self._columns(rest[0], followed=len(rest) > 1)
            rest = rest[1:]
        elif rest and type(rest[0]) in ENCODERS:
            self._block(rest[:1], self.names)
            rest = rest[1:]
        else:
            self.blocks.append(self._numbers([], self.names))
        for one in rest:
            self.steps += steps_of(one)

    def preparation(self, first: Sequence[layout.Step]) -> layout.Preparation:
        """Return what was read, followed by the estimator's own first steps."""
        steps = [*self.steps, *first]
        blocks = [
            layout.Numbers(block.columns, _without_repeated_refusals(block.steps))
            if isinstance(block, layout.Numbers)
            else block
            for block in self.blocks
        ]
        return layout.Preparation(blocks, _without_repeated_refusals(steps))

    def _columns(self, fitted: ColumnTransformer, *, followed: bool) -> None:
        if fitted.transformer_weights:
            message = "its columns are weighted (transformer_weights)"
            raise NotCompilable(message)
        if fitted.sparse_output_ and followed:
            message = "a sparse matrix is transformed further; set sparse_threshold=0"
            raise NotCompilable(message)
        positions: Mapping[str, Any] = fitted._transformer_to_input_indices  # noqa: SLF001
        for name, transformer, _ in fitted.transformers_:
            chosen = [self.names[n] for n in positions.get(name, [])]
            if transformer == "drop" or not chosen:
                continue
            chain = transformer.steps if type(transformer) is Pipeline else [("", transformer)]
            self._block([one for _, one in chain if not _passes(one)], chosen)

    def _block(self, chain: Sequence[Any], names: Sequence[str]) -> None:
        if any(type(one) in ENCODERS for one in chain):
            found, arrays = read_categories(
                chain, names, numeric=self.numeric, categorical=self.categorical
            )
            for block, table in zip(found, arrays, strict=True):
                self.blocks.append(block)
                self.arrays[block.table] = table
        else:
            self.blocks.append(self._numbers(chain, names))

    def _numbers(self, chain: Sequence[Any], names: Sequence[str]) -> layout.Numbers:
        texts = [name for name in names if name not in self.numeric]
        if texts:
            message = f"columns that are no numbers reach the model without an encoder: {texts}"
            raise NotCompilable(message)
        steps = [step for one in chain for step in steps_of(one)]
        return layout.Numbers([self.numeric.index(name) for name in names], steps)


def steps_of(fitted: Any) -> list[layout.Step]:  # noqa: ANN401
    """Return what a fitted transformer of numbers does.

    Raises:
        NotCompilable: If it is of an unknown class or set in an unknown way.
    """
    what = name_of(fitted)
    check: list[layout.Step] = [layout.Refuse(allow_nan=True)]
    if type(fitted) is SimpleImputer:
        return [_imputing(fitted), layout.Refuse(allow_nan=True)]
    if type(fitted) is StandardScaler:
        shift = [("subtract", fitted.mean_)] if fitted.with_mean else []
        scale = [("divide", fitted.scale_)] if fitted.with_std else []
        return [*check, *_operations([*shift, *scale], what)]
    if type(fitted) is RobustScaler:
        shift = [("subtract", fitted.center_)] if fitted.with_centering else []
        scale = [("divide", fitted.scale_)] if fitted.with_scaling else []
        return [*check, *_operations([*shift, *scale], what)]
    if type(fitted) is MinMaxScaler:
        found = _operations([("multiply", fitted.scale_), ("add", fitted.min_)], what)
        low, high = fitted.feature_range
        clip = [layout.Clip(float(low), float(high))] if fitted.clip else []
        return [*check, *found, *clip]
    if type(fitted) is MaxAbsScaler:
        if fitted.clip:
            message = "MaxAbsScaler clips"
            raise NotCompilable(message)
        return [*check, *_operations([("divide", fitted.scale_)], what)]
    if type(fitted) in _SELECTORS:
        return [layout.Select(np.flatnonzero(fitted.get_support()).tolist())]
    message = f"the transformer {what} is of no kind that is compiled"
    raise NotCompilable(message)


def _imputing(fitted: SimpleImputer) -> layout.Impute:
    if not (isinstance(fitted.missing_values, float) and np.isnan(fitted.missing_values)):
        message = f"SimpleImputer takes {fitted.missing_values!r} for missing"
        raise NotCompilable(message)
    statistics = np.asarray(fitted.statistics_, dtype=np.float64)
    kept = np.arange(len(statistics))
    if not fitted.keep_empty_features:
        kept = np.flatnonzero(~np.isnan(statistics))
    marked = [] if fitted.indicator_ is None else fitted.indicator_.features_.tolist()
    fill = numbers_of(statistics[kept], "SimpleImputer")
    return layout.Impute(fill, kept.tolist(), marked)


def _operations(found: Sequence[tuple[Any, Any]], what: str) -> list[layout.Step]:
    return [layout.Arithmetic(operation, numbers_of(by, what)) for operation, by in found]


def _passes(fitted: Any) -> bool:  # noqa: ANN401
    identity = type(fitted) is FunctionTransformer and fitted.func is None
    return fitted is None or identity or (isinstance(fitted, str) and fitted == "passthrough")


def _without_repeated_refusals(steps: Sequence[layout.Step]) -> list[layout.Step]:
    """Leave out a refusal that cannot happen: nothing since the last one makes infinite numbers."""
    kept: list[layout.Step] = []
    finite, free_of_nan = False, False
    for step in steps:
        match step:
            case layout.Refuse(allow_nan=allow_nan):
                if finite and (allow_nan or free_of_nan):
                    continue
                finite, free_of_nan = True, free_of_nan or not allow_nan
            case layout.Arithmetic():
                finite = free_of_nan = False
            case _:
                pass
        kept.append(step)
    return kept
