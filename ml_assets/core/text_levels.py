"""A column of texts in which many rows share few texts: each of them is looked at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import Self, overload

import numpy as np

Text = str | None


class Levels(Sequence[Text]):
    """A column of texts.

    Args:
        texts: Each different text of the column once, None where one is missing.
        codes: Which of them each row has, shape (n,).
    """

    def __init__(self, texts: tuple[Text, ...], codes: np.ndarray) -> None:
        self.texts = texts
        self.codes = codes

    @classmethod
    def of(cls, values: Sequence[Text]) -> Self:
        """Return a column with these values.

        Example:
            >>> column = Levels.of(["north", None, "north"])
            >>> column.texts, column.codes.tolist(), list(column)
            (('north', None), [0, 1, 0], ['north', None, 'north'])
        """
        numbers = dict.fromkeys(values, 0)
        for number, text in enumerate(numbers):
            numbers[text] = number
        codes = np.fromiter(map(numbers.__getitem__, values), np.intp, len(values))
        return cls(tuple(numbers), codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Text]:
        return map(self.texts.__getitem__, self.codes.tolist())

    @overload
    def __getitem__(self, position: int) -> Text: ...

    @overload
    def __getitem__(self, position: slice) -> Self: ...

    def __getitem__(self, position: int | slice) -> Text | Self:
        if isinstance(position, slice):
            return type(self)(self.texts, self.codes[position])
        return self.texts[self.codes[position]]

    def take(self, positions: Sequence[int]) -> Self:
        """Return the rows at some positions."""
        return type(self)(self.texts, self.codes[positions])


def looked_up(column: Sequence[Text], look_up: Callable[[Text], float]) -> np.ndarray:
    """Return what is found for each text of a column, shape (n,).

    Args:
        column: Of texts.
        look_up: Finds a number for a text.
    """
    if isinstance(column, Levels):
        return np.array(list(map(look_up, column.texts)))[column.codes]
    return np.array(list(map(look_up, column)))
