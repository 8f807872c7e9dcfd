"""The model's inputs as arrays: what features.sql gave for some rows, in canonical form.

The form is that of the batch (:mod:`ml_assets.core.feature_rows`), to the bit, without a frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ml_assets.core.feature_query import rounded

_NUMBERS = "iuf"


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """The inputs of some rows, in the rows' order.

    Attributes:
        names: Names of the inputs: numbers, texts, baselines.
        numbers: Shape (n, k) for the k features that are numbers, float64, NaN where missing.
        texts: One object array of shape (n,) a feature that is a text, None where missing.
        past_labels: One array of shape (n,) a baseline that reads past labels: float64 or object.
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    texts: tuple[np.ndarray, ...]
    past_labels: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one input, shape (n,)."""
        position = self.names.index(name) - self.numbers.shape[1]
        return self.numbers[:, position] if position < 0 else self._others[position]

    def rows(self, positions: slice | Sequence[int]) -> Self:
        """Return the inputs of some rows."""
        return type(self)(
            self.names,
            self.numbers[positions],
            tuple(values[positions] for values in self.texts),
            tuple(values[positions] for values in self.past_labels),
        )

    def columns(self) -> list[list[Any]]:
        """Return the values of each input, as plain Python values."""
        return [*self.numbers.T.tolist(), *(values.tolist() for values in self._others)]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of several values below each other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            parts[0].names,
            np.concatenate([part.numbers for part in parts]),
            tuple(np.concatenate(one) for one in zip(*(p.texts for p in parts), strict=True)),
            tuple(np.concatenate(one) for one in zip(*(p.past_labels for p in parts), strict=True)),
        )

    @property
    def _others(self) -> tuple[np.ndarray, ...]:
        return (*self.texts, *self.past_labels)


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
        numbers = np.empty((rows, len(self.numeric)))
        for position, name in enumerate(self.numeric):
            column = columns[name]
            if isinstance(column, np.ma.MaskedArray):
                numbers[:, position] = column.data
                numbers[column.mask, position] = np.nan
            else:
                numbers[:, position] = column
        return FeatureValues(
            self.all,
            rounded(numbers),
            tuple(_texts(columns[name]) for name in self.categorical),
            tuple(_label(columns[name]) for name in self.past_labels),
        )


def _floats(column: np.ndarray) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(column), np.nan, column.data.astype(np.float64))
    return column


def _texts(column: np.ndarray) -> np.ndarray:
    texts = np.empty(len(column), dtype=object)
    values = column.tolist()
    if set(map(type, values)) == {str}:
        texts[:] = values
    else:
        # A value that is not itself is NaN: missing too.
        texts[:] = [
            value if type(value) is str else None if value is None or value != value else str(value)  # noqa: PLR0124
            for value in values
        ]
    return texts


def _label(column: np.ndarray) -> np.ndarray:
    """Return a past label: a number, or the text of a class."""
    return rounded(_floats(column)) if column.dtype.kind in _NUMBERS else _texts(column)
