"""What is said of each prediction beside the prediction: its interval, and whether it is familiar.

All of it is computed for the rows of a pass together, by a few operations on arrays.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ml_assets.core.adjustment import Adjustment, Quantiles
from ml_assets.core.conformal import (
    ClassSets,
    FloatArray,
    Intervals,
    NumberIntervals,
    intervals_from_json,
)
from ml_assets.core.corrections import (
    Bounds,
    CorrectBias,
    Correction,
    FallBack,
    Recalibrate,
    Reweigh,
    Widen,
)
from ml_assets.core.errors import ServingError
from ml_assets.core.familiarity import Familiarity
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.problem.assurance import Unfamiliar

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Assurance:
    """What a release knows of its own errors and of its training rows.

    Attributes:
        intervals: Of its predictions; None without any.
        familiarity: Of a row; None if it is not looked for.
        unfamiliar: What happens to a row that is not.
        bounds: Of interventions.
    """

    intervals: Intervals | None
    familiarity: Familiarity | None
    unfamiliar: Unfamiliar
    bounds: Bounds

    def to_json(self) -> bytes:
        """Return the file of the release."""
        values = {
            "intervals": self.intervals.to_json() if self.intervals else None,
            "familiarity": self.familiarity.to_json() if self.familiarity else None,
            "unfamiliar": self.unfamiliar,
            "bounds": asdict(self.bounds),
        }
        return json.dumps(values, allow_nan=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Build the assurance that ``to_json`` described."""
        values = json.loads(content)
        intervals, familiarity = values["intervals"], values["familiarity"]
        return cls(
            intervals=None if intervals is None else intervals_from_json(intervals),
            familiarity=None if familiarity is None else Familiarity.from_json(familiarity),
            unfamiliar=values["unfamiliar"],
            bounds=Bounds(**values["bounds"]),
        )


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
        raw: What the model itself said, where an intervention or the fallback changed it; else
            None.
        low: Lower bounds; None without intervals of numbers.
        high: Upper bounds.
        members: Which classes are in each row's set, shape (n, k); None without sets.
        unfamiliar: Which rows are far from the training rows; None if that is not looked for.
        intervention: Name of what is in force; None if nothing is.
    """

    values: np.ndarray
    probabilities: FloatArray | None
    raw: Said | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None
    members: Booleans | None = None
    unfamiliar: Booleans | None = None
    intervention: str | None = None


class Assurer:
    """Says it for the rows of a pass.

    Args:
        assurance: What the release knows.
        classes: In the order of the probabilities; empty for numbers.
        fallback: The baseline of the release, if it has one.
    """

    def __init__(
        self, assurance: Assurance, classes: tuple[Any, ...], fallback: FallbackModel | None
    ) -> None:
        self.assurance = assurance
        self.fallback = fallback
        self.adjustment: Adjustment | None = None
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

    def unfamiliar(self, inputs: FeatureValues) -> Booleans | None:
        """Return which rows are far from the training rows; None if that is not looked for."""
        known = self.assurance.familiarity
        if known is None:
            return None
        texts = [column.tolist() for column in inputs.texts]
        return known.distances(inputs.numbers, texts) > known.threshold

    def assured(self, inputs: FeatureValues, said: Said, unfamiliar: Booleans | None) -> Assured:
        """Return what rows are told.

        Args:
            inputs: Of the model.
            said: What the model says of them.
            unfamiliar: Which rows are.
        """
        told, changed = self._corrected(inputs, said), False
        intervention = None
        if self.adjustment is not None and self.adjustment.intervention is not None:
            intervention = self.adjustment.intervention.id
            changed = told is not said
        values, chances = told.values, told.probabilities
        falls_back = self.assurance.unfamiliar == "fallback" and unfamiliar is not None
        if falls_back and unfamiliar.any() and self.fallback is not None:
            values, chances = self._in_place(inputs, values, chances, unfamiliar)
            changed = True
        low, high, members = self._around(values, chances)
        return Assured(
            values,
            chances,
            said if changed else None,
            low,
            high,
            members,
            unfamiliar,
            intervention,
        )

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
        if self.fallback is None:
            return values, chances
        places = np.flatnonzero(where).tolist()
        found = self.fallback.predict(inputs.rows(places))
        values = values.copy()
        values[places] = found.values
        if chances is not None and found.probabilities is not None:
            chances = chances.copy()
            chances[places] = found.probabilities
        return values, chances

    def _around(
        self, values: np.ndarray, chances: FloatArray | None
    ) -> tuple[FloatArray | None, FloatArray | None, Booleans | None]:
        match self.assurance.intervals, self._quantiles:
            case NumberIntervals() as intervals, (float() as low, high):
                return *intervals.bounds(values, (low, high)), None
            case ClassSets() as sets, (None, high) if chances is not None:
                return None, None, sets.members(chances, high)
            case _:
                return None, None, None

    def _likeliest(self, chances: FloatArray) -> np.ndarray:
        return self._classes[chances.argmax(axis=1)]

    def _unfit(self, correction: Correction) -> str | None:
        classes = len(self._classes)
        match correction:
            case CorrectBias() | Recalibrate() if classes:
                return "classes cannot be shifted"
            case Reweigh(leanings=leanings) if len(leanings) != classes:
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
