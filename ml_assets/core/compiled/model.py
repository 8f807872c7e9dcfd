"""A compiled model: a fitted pipeline as arrays that numpy alone evaluates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ml_assets.core.compiled import estimators, layout, preparation
from ml_assets.core.compiled.checks import check
from ml_assets.core.compiled.container import pack, unpack
from ml_assets.core.compiled.links import LINKS
from ml_assets.core.compiled.masks import Masks
from ml_assets.core.compiled.preparation import Texts
from ml_assets.core.errors import DataError

_KINDS = ({bool}, {int}, {float}, {str})
_TARGETS = {"expm1": np.expm1, "exp": np.exp}


@dataclass(frozen=True, eq=False)
class Answer:
    """What a compiled model says of n rows.

    Attributes:
        values: Shape (n,). Regression: floats. Classification: labels.
        probabilities: Shape (n, k), one column a class; None for a regression.
        classes: The k classes in the order of the columns; empty for a regression.
    """

    values: np.ndarray
    probabilities: np.ndarray | None
    classes: tuple[Any, ...]


class CompiledModel:
    """A model that needs nothing but numpy to answer, the same for a row alone as among others.

    Args:
        header: What the arrays mean.
        arrays: By name.

    Attributes:
        masks: Find the leaves of trees straight from the inputs; None where there is no such way.

    Raises:
        ArtefactError: If they do not fit each other.
    """

    def __init__(self, header: layout.Header, arrays: Mapping[str, np.ndarray]) -> None:
        self._header = header
        self._arrays = dict(arrays)
        self._preparation = (
            None
            if header.preparation is None
            else preparation.bind(
                header.preparation,
                arrays,
                numeric=len(header.numeric),
                categorical=len(header.categorical),
            )
        )
        self.classes: tuple[Any, ...] = tuple(header.classes)
        self.estimator = estimators.bind(
            header.estimator,
            arrays,
            width=0 if self._preparation is None else self._preparation.width,
            extra=len(header.extra),
            classes=self.classes,
        )
        self.masks = self._straight()
        _check_ends(header, self.estimator.count)
        self._labels = np.array(header.classes)
        self._link = LINKS[header.link]

    @property
    def family(self) -> str:
        """Name of the estimator's class."""
        return self._header.family

    @property
    def numeric(self) -> tuple[str, ...]:
        """Numeric inputs, in order."""
        return tuple(self._header.numeric)

    @property
    def categorical(self) -> tuple[str, ...]:
        """Categorical inputs, in order."""
        return tuple(self._header.categorical)

    @property
    def extra(self) -> tuple[str, ...]:
        """Further inputs, in order: columns of baselines."""
        return tuple(self._header.extra)

    @property
    def exact(self) -> bool:
        """Whether answers are scikit-learn's to the bit; sums of a linear model are rounded."""
        return not isinstance(self.estimator, estimators.Linear)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Build the model that ``to_bytes`` described.

        The file may come from anywhere: every type, length and position in it is checked here, so
        that an answer reads nothing beyond the arrays and ends.

        Raises:
            ArtefactError: If the file is not whole or does not fit itself.
        """
        header, arrays = unpack(content)
        return cls(layout.decode(header), arrays)

    def to_bytes(self) -> bytes:
        """Return the model as a file, the same bytes for the same model."""
        return pack(layout.encode(self._header), self._arrays)

    def predict(
        self,
        numbers: np.ndarray,
        texts: Texts = (),
        extra: Sequence[Sequence[Any]] = (),
    ) -> Answer:
        """Return the answer to each row.

        Args:
            numbers: Shape (n, numeric inputs), float64; NaN where missing.
            texts: One sequence of n texts, or None where missing, a categorical input.
            extra: One sequence of n values a further input.

        Raises:
            DataError: If the inputs are not of these shapes, or the model takes a value in no way.
        """
        self._check_shapes(numbers, texts, extra)
        if not len(numbers):
            return self._empty()
        # Sums of vast numbers overflow quietly in scikit-learn's C code, and here.
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self._outputs(numbers, texts, extra)
            linked = self._link(outputs)
            if not self.classes:
                return Answer(self._value(linked[:, 0]), None, ())
        return Answer(self._labels[self._chosen(outputs, linked, extra)], linked, self.classes)

    def matrix(self, numbers: np.ndarray, texts: Texts = ()) -> np.ndarray:
        """Return what the estimator is given: the prepared inputs, shape (n, width)."""
        if self._preparation is None:
            return np.empty((len(numbers), 0))
        return self._preparation.matrix(numbers, texts)

    def thresholds(self) -> dict[int, np.ndarray]:
        """Return the finite thresholds of each column of the matrix; none without trees."""
        if not isinstance(self._header.estimator, layout.Trees):
            return {}
        feature, threshold = self._arrays["feature"], self._arrays["threshold"]
        asked = (feature >= 0) & np.isfinite(threshold)
        return {
            int(column): np.unique(threshold[asked & (feature == column)])
            for column in np.unique(feature[asked])
        }

    def _straight(self) -> Masks | None:
        """Return what leads from the inputs to the trees' leaves without a matrix, if it exists."""
        if not isinstance(self.estimator, estimators.Trees) or self._preparation is None:
            return None
        trees = self.estimator
        with np.errstate(over="ignore", invalid="ignore"):
            return Masks.of(
                trees.forest,
                self._preparation,
                lambda numbers, texts: trees.seen(self.matrix(numbers, texts)),
                numeric=len(self._header.numeric),
                categorical=len(self._header.categorical),
            )

    def _outputs(
        self, numbers: np.ndarray, texts: Texts, extra: Sequence[Sequence[Any]]
    ) -> np.ndarray:
        if self.masks is not None and isinstance(self.estimator, estimators.Trees):
            codes = self.masks.codes(numbers, texts)
            if codes is not None:
                return self.estimator.sums(codes, self.masks)
        return self.estimator.outputs(self.matrix(numbers, texts), extra)

    def _value(self, value: np.ndarray) -> np.ndarray:
        target = self._header.target
        return value if target == "none" else _TARGETS[target](value)

    def _chosen(
        self, outputs: np.ndarray, linked: np.ndarray, extra: Sequence[Sequence[Any]]
    ) -> np.ndarray:
        if isinstance(self.estimator, estimators.PastLabel):
            return self.estimator.chosen(extra)
        match self._header.rule:
            case "positive":
                return (outputs[:, 0] > 0).astype(np.intp)
            case "not_negative":
                return (outputs[:, 0] >= 0).astype(np.intp)
            case _:
                return np.argmax(outputs, axis=1)

    def _check_shapes(
        self, numbers: np.ndarray, texts: Texts, extra: Sequence[Sequence[Any]]
    ) -> None:
        header = self._header
        rows = len(numbers)
        fits = (
            numbers.ndim == 2
            and numbers.dtype == np.float64
            and numbers.shape[1] == len(header.numeric)
            and len(texts) == len(header.categorical)
            and len(extra) == len(header.extra)
            and all(len(column) == rows for column in (*texts, *extra))
        )
        if not fits:
            message = (
                f"The model takes {len(header.numeric)} numeric inputs as float64, "
                f"{len(header.categorical)} categorical and {len(header.extra)} further ones, all "
                f"with the same number of rows; given {numbers.dtype} of shape {numbers.shape} and "
                f"{[len(column) for column in (*texts, *extra)]} rows in the others."
            )
            raise DataError(message)

    def _empty(self) -> Answer:
        if not self.classes:
            return Answer(np.empty(0), None, ())
        return Answer(self._labels[:0], np.empty((0, len(self.classes))), self.classes)


def _check_ends(header: layout.Header, outputs: int) -> None:
    """Check that what follows the estimator fits its outputs."""
    kinds = {type(one) for one in header.classes}
    check(len(set(header.classes)) == len(header.classes), "two classes are one")
    check(not kinds or kinds in _KINDS, "classes are of several kinds")
    past = header.estimator if isinstance(header.estimator, layout.PastLabel) else None
    if not header.classes:
        check(outputs == 1 and header.rule == "value", "a regression has not one output")
        check(header.link in {"identity", "exp"}, "a regression has no such link")
        check(past is None or past.followed is None, "a regression has no classes")
        return
    two = header.link in {"logistic", "logistic_of_double"}
    check(header.target == "none", "classes have no transformed target")
    check(header.link != "exp", "classes have no such link")
    check(outputs == 1 if two else outputs == len(header.classes), "outputs do not fit the classes")
    check(not two or len(header.classes) == 2, "one output chooses between two classes")
    rules = {"positive", "not_negative"} if two else {"largest"}
    check(header.rule in rules, "the classes have no such rule")
    check(past is None or past.followed is not None, "the transitions are missing")
