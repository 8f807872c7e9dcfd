"""What a server may do at once to what a model says: shift, recalibrate, widen or replace it.

Each correction is a value with few numbers, learned from the latest truths and held within declared
bounds; it takes microseconds and leaves the model as it is.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, log
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml_assets.core.errors import ServingError

FloatArray = npt.NDArray[np.float64]

Kind = Literal["correct_bias", "recalibrate", "widen", "fall_back"]
SMALLEST_CHANCE = 1e-6


@dataclass(frozen=True)
class Bounds:
    """How far a correction may go.

    Attributes:
        shift: Change of a predicted number, at most, in its own unit.
        slope: Factor by which predictions may be stretched or shrunk, at most, and temperature.
        leaning: Factor by which the odds of a class may change, at most.
        widening: Factor by which intervals may be widened, at most.
    """

    shift: float
    slope: float
    leaning: float
    widening: float


@dataclass(frozen=True)
class CorrectBias:
    """Add the same to each predicted number.

    Attributes:
        shift: What is added.
    """

    shift: float
    kind: Kind = "correct_bias"

    def numbers(self, predictions: FloatArray) -> FloatArray:
        """Return the corrected predictions."""
        return predictions + self.shift

    def fault(self, bounds: Bounds) -> str | None:
        """Say what is beyond the bounds."""
        return _beyond("shift", abs(self.shift), bounds.shift)


@dataclass(frozen=True)
class Recalibrate:
    """Stretch predicted numbers around a point and shift them, by no more than a bound.

    Attributes:
        slope: Factor of the distance to the point.
        center: The point.
        shift: What is added.
        most: The change of one prediction, at most.
    """

    slope: float
    center: float
    shift: float
    most: float
    kind: Kind = "recalibrate"

    def numbers(self, predictions: FloatArray) -> FloatArray:
        """Return the corrected predictions."""
        change = (self.slope - 1) * (predictions - self.center) + self.shift
        return predictions + np.minimum(np.maximum(change, -self.most), self.most)

    def fault(self, bounds: Bounds) -> str | None:
        """Say what is beyond the bounds."""
        if not isfinite(self.center) or not isfinite(self.shift):
            return "center and shift are no finite numbers"
        return _beyond_factor("slope", self.slope, bounds.slope) or _beyond(
            "most", self.most, bounds.shift
        )


@dataclass(frozen=True)
class Reweigh:
    """Change the odds of the classes, and how sure the probabilities are.

    Attributes:
        temperature: Logarithms of the probabilities are divided by it.
        leanings: Then this is added to the logarithm of each class.
    """

    temperature: float
    leanings: tuple[float, ...]
    kind: Kind = "recalibrate"

    def chances(self, probabilities: FloatArray) -> FloatArray:
        """Return the corrected probabilities, shape (n, k)."""
        logs = np.log(np.maximum(probabilities, SMALLEST_CHANCE)) / self.temperature
        logs += np.asarray(self.leanings)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        return chances / chances.sum(axis=1, keepdims=True)

    def fault(self, bounds: Bounds) -> str | None:
        """Say what is beyond the bounds."""
        most = max((abs(one) for one in self.leanings), default=0.0)
        return _beyond_factor("temperature", self.temperature, bounds.slope) or _beyond(
            "leanings", most, log(bounds.leaning)
        )


@dataclass(frozen=True)
class Widen:
    """Widen intervals and prediction sets; predictions stay.

    Attributes:
        factor: Of the width; the odds of staying out of a set are divided by it.
    """

    factor: float
    kind: Kind = "widen"

    def widened(self, low: float | None, high: float) -> tuple[float | None, float]:
        """Return the quantiles of wider intervals, or of larger sets where ``low`` is None."""
        if low is None:
            return None, 1 - (1 - high) / self.factor
        middle, half = (low + high) / 2, (high - low) / 2 * self.factor
        return middle - half, middle + half

    def fault(self, bounds: Bounds) -> str | None:
        """Say what is beyond the bounds."""
        if not self.factor >= 1:
            return f"factor is {self.factor}, which does not widen"
        return _beyond("factor", self.factor, bounds.widening)


@dataclass(frozen=True)
class FallBack:
    """Answer with the release's baseline in place of its model."""

    kind: Kind = "fall_back"

    def fault(self, bounds: Bounds) -> str | None:
        """Say what is beyond the bounds: nothing can be."""
        return None


Correction = CorrectBias | Recalibrate | Reweigh | Widen | FallBack
_FORMS: dict[str, type[Correction]] = {
    form.__name__: form for form in (CorrectBias, Recalibrate, Reweigh, Widen, FallBack)
}


def correction_to_json(correction: Correction) -> dict[str, Any]:
    """Return plain values."""
    return {"form": type(correction).__name__, **asdict(correction)}


def correction_from_json(values: Mapping[str, Any]) -> Correction:
    """Build the correction that ``correction_to_json`` described.

    Raises:
        ServingError: If it describes none.
    """
    plain = {name: value for name, value in values.items() if name not in {"form", "kind"}}
    if isinstance(plain.get("leanings"), list):
        plain["leanings"] = tuple(plain["leanings"])
    numbers = [*plain.values(), *plain.get("leanings", ())]
    if not all(type(one) in {float, int, tuple} for one in numbers):
        message = f"A correction holds numbers alone; found {dict(values)}."
        raise ServingError(message)
    try:
        made = _FORMS[values["form"]](**plain)
    except (KeyError, TypeError) as error:
        message = f"A correction is one of {sorted(_FORMS)} with its numbers; found {dict(values)}."
        raise ServingError(message) from error
    if values.get("kind") != made.kind:
        message = f"A {values['form']} is of the kind {made.kind!r}; found {values.get('kind')!r}."
        raise ServingError(message)
    return made


def told(correction: Correction) -> str:
    """Say in a few words what a correction does."""
    match correction:
        case CorrectBias(shift=shift):
            return f"adds {shift:+.4g} to each prediction"
        case Recalibrate(slope=slope, shift=shift):
            return f"stretches predictions by {slope:.3g} and adds {shift:+.4g}"
        case Reweigh(temperature=temperature):
            return f"changes the odds of the classes at temperature {temperature:.3g}"
        case Widen(factor=factor):
            return f"widens intervals by {factor:.3g}"
        case FallBack():
            return "answers with the baseline"


def _beyond(name: str, value: float, most: float) -> str | None:
    # A comparison with NaN is false, and must not let it through.
    return None if value <= most else f"{name} is {value:.6g}, and at most {most:.6g} is declared"


def _beyond_factor(name: str, value: float, most: float) -> str | None:
    if 1 / most <= value <= most:
        return None
    return f"{name} is {value:.6g}, and {1 / most:.6g} to {most:.6g} is declared"
