"""A column of texts in which many rows share few texts: each of them is looked at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, overload

import numpy as np

Text = str | None
MOST_SEEN = 64  # texts of a column: each of them is looked up for every request


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

    def used(self) -> Self:
        """Return the same column without texts that no row has."""
        found = np.bincount(self.codes, minlength=len(self.texts)) > 0
        if found.all():
            return self
        texts = tuple(text for text, is_used in zip(self.texts, found, strict=True) if is_used)
        return type(self)(texts, (np.cumsum(found) - 1)[self.codes])

    def take(self, positions: Sequence[int]) -> Self:
        """Return the rows at some positions."""
        return type(self)(self.texts, self.codes[positions])


class SeenTexts:
    """Texts that a column had before.

    To find the next ones among them takes half as long as to tell apart which there are.
    """

    def __init__(self) -> None:
        self._numbers: dict[Text, int] = {}

    def levels(self, values: Sequence[Any]) -> Levels:
        """Return the same column as :meth:`Levels.of`, with further texts that no row has.

        Args:
            values: Texts; anything else becomes one, and what is no value is missing.
        """
        try:
            codes = np.fromiter(map(self._numbers.__getitem__, values), np.intp, len(values))
        except (KeyError, TypeError):  # one is new, or no text
            found = Levels.of(texts_of(values))
            self._learn(found.texts)
            return found
        return Levels(tuple(self._numbers), codes)

    def _learn(self, texts: Sequence[Text]) -> None:
        new = [text for text in texts if text not in self._numbers]
        if len(self._numbers) + len(new) <= MOST_SEEN:
            self._numbers |= {text: len(self._numbers) + n for n, text in enumerate(new)}


def texts_of(values: Sequence[Any]) -> list[Text]:
    """Return values as texts, None where one is missing."""
    return list(values) if set(map(type, values)) == {str} else list(map(_text, values))


def _text(value: Any) -> Text:  # noqa: ANN401
    if type(value) is str:
        return value
    # A value that is not itself is NaN: missing too.
    return None if value is None or value != value else str(value)  # noqa: PLR0124


def looked_up(column: Sequence[Text], look_up: Callable[[Text], float]) -> np.ndarray:
    """Return what is found for each text of a column, shape (n,).

    Args:
        column: Of texts.
        look_up: Finds a number for a text.
    """
    if isinstance(column, Levels):
        return np.array(list(map(look_up, column.texts)))[column.codes]
    return np.array(list(map(look_up, column)))
