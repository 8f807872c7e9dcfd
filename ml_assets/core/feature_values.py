"""The model's inputs as arrays: what features.sql gave for some rows, in canonical form.

The form is that of the batch (:mod:`ml_assets.core.feature_rows`), to the bit, without a frame.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ml_assets.core.feature_query import rounded
from ml_assets.core.request_rows import FEW
from ml_assets.core.text_levels import Levels, SeenTexts, Text, texts_of

_NUMBERS = "iuf"


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """The inputs of some rows, in the rows' order.

    Attributes:
        names: Names of the inputs: numbers, texts, baselines.
        numbers: Shape (n, k) for the k features that are numbers, float64, NaN where missing.
        texts: One sequence of n texts a feature that is a text, None where missing.
        past_labels: One array of shape (n,) a baseline that reads past labels: float64 or object.
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    texts: tuple[Sequence[Text], ...]
    past_labels: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one input, shape (n,)."""
        position = self.names.index(name) - self.numbers.shape[1]
        if position < 0:
            return self.numbers[:, position]
        if position >= len(self.texts):
            return self.past_labels[position - len(self.texts)]
        return _objects(list(self.texts[position]))

    def rows(self, positions: slice | Sequence[int]) -> Self:
        """Return the inputs of some rows."""
        return type(self)(
            self.names,
            self.numbers[positions],
            tuple(_rows(values, positions) for values in self.texts),
            tuple(values[positions] for values in self.past_labels),
        )

    def columns(self) -> list[list[Any]]:
        """Return the values of each input, as plain Python values."""
        past_labels = (values.tolist() for values in self.past_labels)
        return [*self.numbers.T.tolist(), *map(list, self.texts), *past_labels]


@dataclass(frozen=True)
class FeatureNames:
    """Which columns of features.sql the model is given.

    Attributes:
        numeric: Features that are numbers.
        categorical: Features that are texts.
        past_labels: Columns of the baselines.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    past_labels: tuple[str, ...]
    # Spares work and changes no answer.
    _seen: defaultdict[str, SeenTexts] = field(
        default_factory=lambda: defaultdict(SeenTexts), init=False, repr=False, compare=False
    )

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, in the model's order."""
        return (*self.numeric, *self.categorical, *self.past_labels)

    def values(self, columns: Mapping[str, np.ndarray], rows: int) -> FeatureValues:
        """Return columns as DuckDB gives them in their canonical form.

        Args:
            columns: Arrays of shape (n,) by name; masked where NULL.
            rows: How many rows they have.
        """
        # One column after the other in memory: so they are read and written.
        numbers = np.empty((len(self.numeric), rows))
        for values, name in zip(numbers, self.numeric, strict=True):
            column = columns[name]
            if isinstance(column, np.ma.MaskedArray):
                values[:] = column.data
                values[column.mask] = np.nan
            else:
                values[:] = column
        return FeatureValues(
            self.all,
            rounded(numbers).T,
            tuple(self._texts(name, columns[name].tolist()) for name in self.categorical),
            tuple(_label(columns[name]) for name in self.past_labels),
        )

    def _texts(self, name: str, values: list[Any]) -> Sequence[Text]:
        return self._seen[name].levels(values) if len(values) > FEW else texts_of(values)


def _rows(column: Sequence[Text], positions: slice | Sequence[int]) -> Sequence[Text]:
    if isinstance(positions, slice):
        return column[positions]
    return column.take(positions) if isinstance(column, Levels) else [column[n] for n in positions]


def _label(column: np.ndarray) -> np.ndarray:
    """Return a past label: a number, or the text of a class."""
    if column.dtype.kind in _NUMBERS:
        return rounded(_floats(column))
    return _objects(texts_of(column.tolist()))


def _floats(column: np.ndarray) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(column), np.nan, column.data.astype(np.float64))
    return column


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
