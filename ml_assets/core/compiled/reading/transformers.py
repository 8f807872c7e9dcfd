"""Fitted transformers as blocks of a preparation and steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.reading.categories import ENCODERS, CategoryTable, read_categories
from ml_assets.core.compiled.reading.number_steps import passes, steps_of
from ml_assets.core.errors import NotCompilable


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
        rest = [one for one in transformers if not passes(one)]
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

    def _columns(self, fitted: Any, *, followed: bool) -> None:  # noqa: ANN401
        if fitted.transformer_weights:
            message = "its columns are weighted (transformer_weights)"
            raise NotCompilable(message)
        if fitted.sparse_output_ and followed:
            message = "a sparse matrix is transformed further; set sparse_threshold=0"
            raise NotCompilable(message)
        positions = fitted._transformer_to_input_indices  # noqa: SLF001
        for name, transformer, _ in fitted.transformers_:
            chosen = [self.names[n] for n in positions.get(name, [])]
            if transformer == "drop" or not chosen:
                continue
            chain = transformer.steps if type(transformer) is Pipeline else [("", transformer)]
            self._block([one for _, one in chain if not passes(one)], chosen)

    def _block(self, chain: Sequence[Any], names: Sequence[str]) -> None:
        if any(type(one) in ENCODERS for one in chain):
            self._known(names)
            for table in read_categories(chain, names, texts=self.categorical):
                self._lookup(table)
        else:
            self.blocks.append(self._numbers(chain, names))

    def _lookup(self, table: CategoryTable) -> None:
        array = f"table_{len(self.arrays)}"
        of_texts = table.name in self.categorical
        place = (self.categorical if of_texts else self.numeric).index(table.name)
        block = layout.Texts if of_texts else layout.Codes
        self.blocks.append(block(place, table.keys, table.missing, table.unknown, array))
        self.arrays[array] = table.rows.astype("<f8")

    def _known(self, names: Sequence[str]) -> None:
        strange = [name for name in names if name not in (*self.numeric, *self.categorical)]
        if strange:
            message = f"the model reads columns that are no features: {strange}"
            raise NotCompilable(message)

    def _numbers(self, chain: Sequence[Any], names: Sequence[str]) -> layout.Numbers:
        texts = [name for name in names if name not in self.numeric]
        if texts:
            message = f"columns that are no numbers reach the model without an encoder: {texts}"
            raise NotCompilable(message)
        steps = [step for one in chain for step in steps_of(one)]
        return layout.Numbers([self.numeric.index(name) for name in names], steps)


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
