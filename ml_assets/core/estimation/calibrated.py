"""Expected metrics of a classifier from its calibrated probabilities: no label is needed.

If a row is calibrated to be answered right with chance 0.9, its expected miss is 0.1, whatever its
label will be. NannyML calls it confidence-based performance estimation (CBPE). It holds as long as
the same probability means the same chance as on the reference rows: under covariate drift it
follows, to concept drift it is blind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rising function from a score to a chance, straight between its knots.

    Attributes:
        scores: Ascending, shape (k,), k > 0.
        chances: Never falling, shape (k,).

    Example:
        >>> calibration = Calibration.fit(np.array([0.2, 0.8, 0.9]), np.array([0.0, 1.0, 0.0]))
        >>> calibration(np.array([0.0, 0.2, 0.85])).tolist()
        [0.0, 0.0, 0.5]
    """

    scores: FloatArray
    chances: FloatArray

    @classmethod
    def fit(cls, scores: FloatArray, hits: FloatArray) -> Self:
        """Learn the chance of a hit by score: isotonic regression.

        Args:
            scores: Of rows whose truth the model had not seen, shape (n,).
            hits: 1.0 for a hit, 0.0 for none, shape (n,).
        """
        from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - only fitting needs it

        fitted = IsotonicRegression(out_of_bounds="clip", y_min=0.0, y_max=1.0).fit(scores, hits)
        knots = np.asarray(fitted.X_thresholds_, np.float64)
        return cls(knots, np.asarray(fitted.y_thresholds_, np.float64))

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return the chance of each score, shape (n,)."""
        return np.interp(scores, self.scores, self.chances)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"scores": self.scores.tolist(), "chances": self.chances.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the calibration that ``to_json`` described."""
        return cls(np.array(values["scores"], float), np.array(values["chances"], float))


def expected_accuracy(chances: FloatArray, answered: BoolArray) -> float:
    """Return the expected share of right answers of a binary classifier.

    Args:
        chances: Calibrated chance of the positive class, shape (n,).
        answered: Whether the positive class was answered, shape (n,).

    Example:
        >>> round(expected_accuracy(np.array([0.9, 0.2]), np.array([True, False])), 3)
        0.85
    """
    return float(np.where(answered, chances, 1 - chances).mean())


def expected_f1(chances: FloatArray, answered: BoolArray) -> float:
    """Return the F1 of the expected confusion counts; arguments as of ``expected_accuracy``."""
    hits = chances[answered].sum()
    return float(2 * hits / max(chances.sum() + answered.sum(), np.finfo(float).tiny))


def expected_roc_auc(chances: FloatArray, scores: FloatArray) -> float:
    """Return the chance that an expected positive outranks an expected negative; ties count half.

    Args:
        chances: Calibrated chance of the positive class, shape (n,).
        scores: What the rows are ranked by, shape (n,).
    """
    _, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weights=chances)
    negative = np.bincount(place, weights=1 - chances)
    below = np.cumsum(negative) - negative
    pairs = positive.sum() * negative.sum()
    return float((positive * (below + negative / 2)).sum() / pairs) if pairs > 0 else float("nan")
