"""What a version's losses are expected to be, row by row, before any label comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.estimation.calibrated import Calibration
from ml_assets.core.estimation.direct_loss import direct_losses, fit_direct_loss
from ml_assets.core.estimation.reliability import Reliability, tried_forward

FloatArray = npt.NDArray[np.float64]

FEWEST_ROWS = 100
MOST_ROWS = 20_000  # the newest ones; more take long and teach little


@dataclass(frozen=True, eq=False)
class AnsweredRows:
    """Rows that a model answered, in order of time.

    Attributes:
        features: As the training set has them: floats, and texts or None.
        answers: Numbers or classes, shape (n,).
        confidence: Probability of the answered class, shape (n,); None for a regression.
    """

    features: pd.DataFrame
    answers: np.ndarray
    confidence: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.answers)

    def rows(self, positions: np.ndarray) -> "AnsweredRows":
        """Return some of the rows, by position."""
        chosen = None if self.confidence is None else self.confidence[positions]
        return AnsweredRows(self.features.iloc[positions], self.answers[positions], chosen)


@dataclass(frozen=True, eq=False, kw_only=True)
class LossEstimator:
    """An estimator of row losses that was tried forward in time.

    Attributes:
        metric: Whose row loss it estimates.
        reliability: How well it did on reference rows that it had not seen.
        numeric: Features it reads that are numbers.
        categorical: Features it reads that are texts.
        calibration: Of the answered class's probability (CBPE); None for a direct estimator.
        model: Regressor of the loss (DLE); None for a calibrated one.
    """

    metric: str
    reliability: Reliability
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    calibration: Calibration | None = None
    model: Any = None

    @property
    def kind(self) -> Literal["calibrated", "direct"]:
        """How it estimates."""
        return "direct" if self.calibration is None else "calibrated"

    def losses(self, rows: AnsweredRows) -> FloatArray:
        """Return the expected loss of each row, shape (n,); the usual one where none is told."""
        if self.calibration is None:
            features = rows.features[[*self.numeric, *self.categorical]]
            return direct_losses(self.model, features, rows.answers)
        known = np.full(len(rows), np.nan) if rows.confidence is None else rows.confidence
        return np.where(np.isnan(known), self.reliability.mean_loss, 1 - self.calibration(known))

    def to_json(self) -> dict[str, Any]:
        """Return all but the regressor as plain values."""
        return {
            "metric": self.metric,
            "reliability": self.reliability.to_json(),
            "numeric": list(self.numeric),
            "categorical": list(self.categorical),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], model: Any = None) -> "LossEstimator":  # noqa: ANN401
        """Build the estimator that ``to_json`` described, with its regressor."""
        calibration = values["calibration"]
        return cls(
            metric=values["metric"],
            reliability=Reliability.from_json(values["reliability"]),
            numeric=tuple(values["numeric"]),
            categorical=tuple(values["categorical"]),
            calibration=None if calibration is None else Calibration.from_json(calibration),
            model=model,
        )


def fit_loss_estimator(
    rows: AnsweredRows,
    losses: FloatArray,
    *,
    metric: str,
    numeric: Sequence[str],
    categorical: Sequence[str],
    seed: int,
) -> LossEstimator | None:
    """Return an estimator learned from rows that the model answered without having seen them.

    Probabilities are calibrated where the loss is a miss; other losses, and misses of models
    without probabilities, are learned directly.

    Args:
        rows: In order of time.
        losses: Of these rows, shape (n,).
        metric: Whose row loss it is.
        numeric: Features that are numbers.
        categorical: Features that are texts.
        seed: Of the regressor.

    Returns:
        None if there are too few rows to learn from.
    """
    if len(rows) < FEWEST_ROWS:
        return None
    newest = np.arange(max(len(rows) - MOST_ROWS, 0), len(rows))
    rows, losses = rows.rows(newest), losses[newest]
    confidence = rows.confidence
    if metric == "accuracy" and confidence is not None and not np.isnan(confidence).any():
        tried = tried_forward(
            losses, lambda old, new: 1 - _calibrated(confidence[old], losses[old])(confidence[new])
        )
        calibration, model = _calibrated(confidence, losses), None
    else:

        def direct(at: np.ndarray) -> Any:  # noqa: ANN401
            part = rows.rows(at)
            return fit_direct_loss(
                part.features,
                part.answers,
                losses[at],
                numeric=numeric,
                categorical=categorical,
                seed=seed,
            )

        def estimate(old: np.ndarray, new: np.ndarray) -> FloatArray:
            part = rows.rows(new)
            return direct_losses(direct(old), part.features, part.answers)

        tried = tried_forward(losses, estimate)
        calibration, model = None, direct(np.arange(len(rows)))
    return LossEstimator(
        metric=metric,
        reliability=tried,
        numeric=tuple(numeric),
        categorical=tuple(categorical),
        calibration=calibration,
        model=model,
    )


def _calibrated(confidence: FloatArray, losses: FloatArray) -> Calibration:
    return Calibration.fit(confidence, 1 - losses)
