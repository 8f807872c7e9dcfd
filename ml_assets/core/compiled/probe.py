"""What a preparation makes of the values of one input at a time."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ml_assets.core.compiled.preparation import Preparation, Texts
from ml_assets.core.compiled.steps import Input
from ml_assets.core.errors import DataError

Matrix = Callable[[np.ndarray, Texts], np.ndarray]


class Probe:
    """Asks a preparation; inputs that are not asked for hold a value that it takes.

    Args:
        preparation: Says which inputs are taken as categories.
        matrix: Prepares rows.
        numeric: How many numeric inputs there are.
        categorical: How many categorical ones.

    Attributes:
        keys: Categories that are known of an input.
    """

    def __init__(
        self, preparation: Preparation, matrix: Matrix, numeric: int, categorical: int
    ) -> None:
        self._matrix = matrix
        self._numbers = np.zeros(numeric)
        self._texts: list[Any] = [None] * categorical
        self.keys: dict[Input, list[Any]] = defaultdict(list)
        for lookup in preparation.lookups:
            self.keys[lookup.source] += lookup.rows
        for source, keys in self.keys.items():
            if keys:
                usual = self._texts if source.of_texts else self._numbers
                usual[source.position] = keys[0]

    @property
    def inputs(self) -> list[Input]:
        """All inputs, the numeric ones first."""
        numeric = [Input(of_texts=False, position=n) for n in range(len(self._numbers))]
        return numeric + [Input(of_texts=True, position=n) for n in range(len(self._texts))]

    def takes(self, bound: float) -> bool:
        """Say whether no number of this size is refused, but as an unknown category."""
        numbers = self.usual(2)
        for source in self.inputs:
            if not source.of_texts and source not in self.keys:
                numbers[:, source.position] = -bound, bound
        try:
            self.prepared(numbers)
        except DataError:
            return False
        return True

    def usual(self, rows: int) -> np.ndarray:
        """Return numbers that the preparation takes, shape (rows, numeric inputs)."""
        return np.tile(self._numbers, (rows, 1))

    def prepared(self, numbers: np.ndarray) -> np.ndarray:
        """Return the matrix of some numbers.

        Raises:
            DataError: If one of them is refused.
        """
        return self._matrix(numbers, [[text] * len(numbers) for text in self._texts])

    def seen(self, source: Input, values: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return the matrix where an input has these values, and which of them are refused.

        What stands in the rows of refused values means nothing.

        Raises:
            DataError: If all of them are.
        """
        found = self._with(source, values)
        if found is not None:
            return found, np.zeros(len(values), dtype=bool)
        single = [self._with(source, [value]) for value in values]
        taken = next((row for row in single if row is not None), None)
        if taken is None:
            message = "An input takes no value at all."
            raise DataError(message)
        rows = [taken if row is None else row for row in single]
        return np.concatenate(rows), np.array([row is None for row in single])

    def _with(self, source: Input, values: Sequence[Any]) -> np.ndarray | None:
        numbers = self.usual(len(values))
        texts: list[Sequence[Any]] = [[text] * len(values) for text in self._texts]
        if source.of_texts:
            texts[source.position] = values
        else:
            numbers[:, source.position] = values
        try:
            return self._matrix(numbers, texts)
        except DataError:
            return None
