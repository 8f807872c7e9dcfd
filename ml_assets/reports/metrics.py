"""How each metric is named, read and compared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ml_assets.core.errors import MLAssetsError, nearest


@dataclass(frozen=True)
class MetricText:
    """A metric in words: its label, which way is better, what it means."""

    label: str
    better: Literal["lower", "higher", "zero"]
    meaning: str
    has_unit: bool = False

    def badness(self, value: float) -> float:
        """Return a number that grows as the metric worsens; undefined is worst."""
        if math.isnan(value):
            return math.inf
        match self.better:
            case "lower":
                return value
            case "higher":
                return -value
            case "zero":
                return abs(value)

    def labelled(self, target_unit: str) -> str:
        """Return the label, followed by the unit if the metric has one."""
        unit = self.unit(target_unit)
        return f"{self.label} ({unit})" if unit else self.label

    def unit(self, target_unit: str) -> str:
        """Return the unit of the metric's values, empty if it has none."""
        return target_unit if self.has_unit else ""


METRIC_TEXTS: Mapping[str, MetricText] = MappingProxyType(
    {
        "mae": MetricText("Mean absolute error", "lower", "typical size of a miss", True),
        "rmse": MetricText("Root mean squared error", "lower", "large misses weigh more", True),
        "bias": MetricText("Bias", "zero", "mean of prediction minus truth", True),
        "r2": MetricText("R²", "higher", "share of the variance explained; 1 is perfect"),
        "log_loss": MetricText("Log loss", "lower", "punishes confident wrong probabilities"),
        "accuracy": MetricText("Accuracy", "higher", "share of rows answered right"),
        "brier": MetricText("Brier score", "lower", "mean squared miss of the probability"),
        "roc_auc": MetricText("ROC AUC", "higher", "chance that a positive outranks a negative"),
        "f1": MetricText("F1", "higher", "balance of precision and recall"),
        "temporal_kappa": MetricText(
            "Temporal kappa", "higher", "gain over repeating the last label; 0 is none"
        ),
    }
)


def metric_text(metric: str) -> MetricText:
    """Return the words for a metric.

    Raises:
        MLAssetsError: If the metric has none.
    """
    if metric not in METRIC_TEXTS:
        message = (
            f"The report has no words for metric {metric!r}. {nearest(metric, METRIC_TEXTS)} "
            "Add it to METRIC_TEXTS."
        )
        raise MLAssetsError(message)
    return METRIC_TEXTS[metric]
