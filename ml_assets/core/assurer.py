"""Says more than the prediction: its interval, whether the row is familiar, what is corrected.

All of it is computed for the rows of a pass together, by a few operations on arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.adjustment import Adjustment, Quantiles
from ml_assets.core.assurance import Assurance, AssuredRows
from ml_assets.core.compiled import CompiledModel
from ml_assets.core.conformal import (
    ClassSets,
    FloatArray,
    Intervals,
    NumberIntervals,
)
from ml_assets.core.corrections import (
    CorrectBias,
    Correction,
    FallBack,
    Recalibrate,
    Reweigh,
    Widen,
)
from ml_assets.core.errors import ServingError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.online_model import Compiled
from ml_assets.core.release import ASSURANCE_FILE, FALLBACK_FILE

Booleans = npt.NDArray[np.bool_]


class Said(Protocol):
    """What a model says of n rows."""

    @property
    def values(self) -> np.ndarray:
        """Numbers or classes, shape (n,)."""
        ...

    @property
    def probabilities(self) -> np.ndarray | None:
        """Shape (n, k) for k classes; None where there are none."""
        ...


class FallbackModel(Protocol):
    """The baseline of a release."""

    def predict(self, inputs: FeatureValues) -> Said:
        """Return the answer to each row."""
        ...


@dataclass(frozen=True, eq=False)
class Assured:
    """What n rows are told.

    Attributes:
        values: Numbers or classes, shape (n,).
        probabilities: Shape (n, k); None for numbers.
        beside: What is said beside them.
    """

    values: np.ndarray
    probabilities: FloatArray | None
    beside: AssuredRows


class Assurer:
    """Says it for the rows of a pass.

    Args:
        assurance: What the release knows.
        classes: In the order of the probabilities; empty for numbers.
        fallback: The baseline of the release, if it has one.

    Attributes:
        adjustment: What is added to the answers; None if nothing is.
        unfamiliar_rows: How many rows were far from the training rows so far.
    """

    def __init__(
        self, assurance: Assurance, classes: tuple[Any, ...], fallback: FallbackModel | None
    ) -> None:
        self.assurance = assurance
        self.fallback = fallback
        self.adjustment: Adjustment | None = None
        self.unfamiliar_rows = 0
        self._names = classes
        self._classes = np.array(classes, dtype=object)
        self._quantiles = self._released = _quantiles(assurance.intervals)

    def check(self, adjustment: Adjustment) -> None:
        """Refuse an adjustment that this release does not allow.

        Raises:
            ServingError: If it goes beyond the bounds, or has no place here.
        """
        numbers = isinstance(self.assurance.intervals, NumberIntervals)
        for pair in (adjustment.quantiles, adjustment.corrected_quantiles):
            if pair is not None and (self._released is None or numbers != (pair[0] is not None)):
                message = "The adjustment is about intervals that the release does not give."
                raise ServingError(message)
        intervention = adjustment.intervention
        if intervention is None:
            return
        intervention.check(self.assurance.bounds)
        fault = self._unfit(intervention.correction)
        if fault is not None:
            message = f"Intervention {intervention.id} has no place here: {fault}."
            raise ServingError(message)

    def adjust(self, adjustment: Adjustment | None) -> None:
        """Take on an adjustment, or none, from the next rows on.

        Raises:
            ServingError: See :meth:`check`; what was in force stays.
        """
        if adjustment is not None:
            self.check(adjustment)
        self._quantiles = self._quantiles_of(adjustment)
        self.adjustment = adjustment

    @classmethod
    def of_files(cls, files: Mapping[str, bytes], classes: tuple[Any, ...]) -> Self | None:
        """Return what a verified release's files hold; None if it knows nothing of its errors."""
        if ASSURANCE_FILE not in files:
            return None
        fallback = None
        if FALLBACK_FILE in files:
            fallback = Compiled(CompiledModel.from_bytes(files[FALLBACK_FILE]))
        return cls(Assurance.from_json(files[ASSURANCE_FILE]), classes, fallback)

    def unfamiliar(self, inputs: FeatureValues) -> Booleans | None:
        """Return which rows are far from the training rows; None if that is not looked for."""
        known = self.assurance.familiarity
        if known is None:
            return None
        return known.distances(inputs.numbers, inputs.texts) > known.threshold

    def rejected(self, unfamiliar: Booleans | None) -> Booleans | None:
        """Return which rows are not to be answered, None if all are."""
        rejects = self.assurance.unfamiliar == "reject" and unfamiliar is not None
        return unfamiliar if rejects and unfamiliar.any() else None

    def strangest(self, row: FeatureValues) -> str | None:
        """Return the name of the feature by which one row is farthest out."""
        known = self.assurance.familiarity
        if known is None:
            return None
        return known.strangest(row.numbers[0], [text[0] for text in row.texts])

    def assured(self, inputs: FeatureValues, said: Said, unfamiliar: Booleans | None) -> Assured:
        """Return what rows are told.

        Args:
            inputs: Of the model.
            said: What the model says of them.
            unfamiliar: Which rows are.
        """
        told = self._corrected(inputs, said)
        values, chances = told.values, told.probabilities
        if self.assurance.unfamiliar == "fallback" and unfamiliar is not None:
            values, chances = self._in_place(inputs, values, chances, unfamiliar)
        if unfamiliar is not None:
            self.unfamiliar_rows += int(np.count_nonzero(unfamiliar))
        changed = values is not said.values
        raw_chances = said.probabilities if changed else None
        intervals, sets = self._around(values, chances)
        in_force = None if self.adjustment is None else self.adjustment.intervention
        beside = AssuredRows(
            intervals=intervals,
            sets=sets,
            unfamiliar=None if unfamiliar is None else unfamiliar.tolist(),
            raw=said.values.tolist() if changed else None,
            raw_probabilities=None if raw_chances is None else raw_chances.tolist(),
            intervention=None if in_force is None else in_force.id,
        )
        return Assured(values, chances, beside)

    def _quantiles_of(self, adjustment: Adjustment | None) -> Quantiles | None:
        if self._released is None or adjustment is None:
            return self._released
        if adjustment.intervention is None:
            return adjustment.quantiles or self._released
        found = adjustment.corrected_quantiles or adjustment.quantiles or self._released
        correction = adjustment.intervention.correction
        return correction.widened(*found) if isinstance(correction, Widen) else found

    def _corrected(self, inputs: FeatureValues, said: Said) -> Said:
        adjustment = self.adjustment
        if adjustment is None or adjustment.intervention is None:
            return said
        match adjustment.intervention.correction:
            case CorrectBias() | Recalibrate() as correction:
                return _Told(correction.numbers(said.values), None)
            case Reweigh() as correction if said.probabilities is not None:
                chances = correction.chances(said.probabilities)
                return _Told(self._likeliest(chances), chances)
            case FallBack() if self.fallback is not None:
                return self.fallback.predict(inputs)
            case _:
                return said

    def _in_place(
        self,
        inputs: FeatureValues,
        values: np.ndarray,
        chances: FloatArray | None,
        where: Booleans,
    ) -> tuple[np.ndarray, FloatArray | None]:
        """Return the answers with those of the baseline for some rows."""
        if self.fallback is None or not where.any():
            return values, chances
        places = np.flatnonzero(where).tolist()
        found = self.fallback.predict(inputs.rows(places))
        # As objects: texts of classes have no common length.
        values = values.astype(object) if len(self._classes) else values.copy()
        values[places] = found.values
        if chances is not None and found.probabilities is not None:
            chances = chances.copy()
            chances[places] = found.probabilities
        return values, chances

    def _around(
        self, values: np.ndarray, chances: FloatArray | None
    ) -> tuple[list[list[float]] | None, list[list[Any]] | None]:
        match self.assurance.intervals, self._quantiles:
            case NumberIntervals() as intervals, (float() as low, high):
                bounds = intervals.bounds(values, (low, high))
                return np.stack(bounds, axis=1).tolist(), None
            case ClassSets() as sets, (None, high) if chances is not None:
                names = self._names
                return None, [
                    [name for name, held in zip(names, row, strict=True) if held]
                    for row in sets.members(chances, high).tolist()
                ]
            case _:
                return None, None

    def _likeliest(self, chances: FloatArray) -> np.ndarray:
        return self._classes[chances.argmax(axis=1)]

    def _unfit(self, correction: Correction) -> str | None:
        classes = len(self._classes)
        match correction:
            case CorrectBias() | Recalibrate() if classes:
                return "classes cannot be shifted"
            case Reweigh(leanings=leanings) if not classes or len(leanings) != classes:
                return f"it has leanings for {len(leanings)} classes, and there are {classes}"
            case FallBack() if self.fallback is None:
                return "the release has no baseline"
            case _:
                return None


@dataclass(frozen=True, eq=False)
class _Told:
    values: np.ndarray
    probabilities: FloatArray | None


def _quantiles(intervals: Intervals | None) -> Quantiles | None:
    match intervals:
        case NumberIntervals(low=low, high=high):
            return low, high
        case ClassSets(high=high):
            return None, high
        case None:
            return None
