"""What is learned, how it is searched, judged and let through."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from ml_assets.core.errors import nearest
from ml_assets.core.problem.base import Declaration, Duration, PositiveDuration
from ml_assets.core.problem.source import Source
from ml_assets.core.problem.time import EventTime

Task = Literal["regression", "binary", "multiclass"]

# metric -> the tasks it is defined for; the first of a task is its default primary metric.
METRICS: dict[str, tuple[Task, ...]] = {
    "mae": ("regression",),
    "rmse": ("regression",),
    "bias": ("regression",),
    "r2": ("regression",),
    "log_loss": ("binary", "multiclass"),
    "accuracy": ("binary", "multiclass"),
    "brier": ("binary",),
    "roc_auc": ("binary",),
    "f1": ("binary", "multiclass"),
    "temporal_kappa": ("binary", "multiclass"),
}
# Metrics that are a mean of one loss per row: what a paired test can compare.
ROW_LOSSES = ("mae", "rmse", "log_loss", "accuracy", "brier")


class LabelSource(Declaration):
    """Ground truth that arrives in a table of its own, joined by the keys and the event time."""

    source: Source
    time: EventTime = Field(description="Event time of the row a label belongs to.")


class Label(Declaration):
    """What is to be predicted and when its truth becomes known."""

    column: str
    delay: Duration = Field(description="Truth is known this long after the event, at the latest.")
    source: LabelSource | None = Field(
        default=None, description="Where labels come from, if not from the rows themselves."
    )


class Features(Declaration):
    """How far back features.sql may look."""

    lookback: Duration = Field(
        default="PT0S", validate_default=True, description="Longest history a feature uses."
    )


class Evaluation(Declaration):
    """Walk-forward evaluation: fold after fold in time, each trained on what was known before."""

    folds: PositiveInt = 4
    horizon: PositiveDuration = Field(
        default="P7D", validate_default=True, description="Length of one test fold."
    )
    gap: Duration | None = Field(
        default=None, description="Rows left out before a fold; at least the label delay."
    )
    min_train_rows: PositiveInt = 200


class Baseline(Declaration):
    """A rule without learning that every candidate has to beat."""

    kind: Literal["typical", "persistence", "seasonal"] = Field(
        description="typical: median or most frequent; persistence: last known label of the "
        "entity; seasonal: the label one period before, as far as known."
    )
    period: PositiveDuration | None = Field(default=None, description="Season of 'seasonal'.")

    @model_validator(mode="after")
    def _has_a_period_if_seasonal(self) -> Self:
        if (self.kind == "seasonal") != (self.period is not None):
            message = (
                "A baseline of kind 'seasonal' needs a 'period' such as P7D; others have none."
            )
            raise ValueError(message)
        return self

    @property
    def name(self) -> str:
        """Name in tables and reports."""
        if self.period is None:
            return self.kind
        return f"seasonal_{int(self.period.total_seconds())}s"


class Interval(Declaration):
    """Numbers between two bounds, for a search."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if self.high <= self.low or (self.log and self.low <= 0):
            message = (
                f"Search bounds need low < high, and low > 0 if log; found {self.low}..{self.high}."
            )
            raise ValueError(message)
        return self


class Candidate(Declaration):
    """A configuration of an estimator."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    estimator: str = Field(
        description="Import path of a class with scikit-learn's interface.",
        examples=["sklearn.ensemble.HistGradientBoostingRegressor"],
    )
    params: dict[str, Any] = Field(default={}, description="Fixed parameters.")
    search: dict[str, Interval | tuple[Any, ...]] = Field(
        default={}, description="Parameters to search: an interval or a list of choices."
    )
    target_transform: Literal["none", "log1p"] = "none"
    window: PositiveDuration | None = Field(
        default=None, description="Train on this much recent history only."
    )
    half_life: PositiveDuration | None = Field(
        default=None, description="A row this old weighs half as much as a new one."
    )
    adapts: bool = Field(
        default=True,
        description="After drift, also try it on the rows since the change alone, and with older "
        "rows weighing less; a half_life keeps it as declared.",
    )

    @field_validator("estimator")
    @classmethod
    def _is_a_path(cls, path: str) -> str:
        if "." not in path or not all(part.isidentifier() for part in path.split(".")):
            message = f"{path!r} is not an import path such as 'sklearn.linear_model.Ridge'."
            raise ValueError(message)
        return path


class Search(Declaration):
    """Budget of the search over all candidates."""

    trials: NonNegativeInt = Field(default=0, description="Configurations tried per candidate.")
    folds: PositiveInt = 3
    seconds: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="No new trial starts after this long."
    )
    jobs: PositiveInt = 2


class Slice(Declaration):
    """A part of the rows that is judged by itself."""

    column: str
    bins: tuple[float, ...] = Field(default=(), description="Inner edges, for a number.")


class Gates(Declaration):
    """When a challenger may become champion."""

    promote_when: Literal["better", "not_worse", "unless_worse"] = Field(
        default="better",
        description="better and not_worse ask for proof; unless_worse lets a newer model through "
        "unless it is provably worse: for worlds that move faster than proof comes.",
    )
    margin: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.01,
        description="'not_worse' and 'unless_worse' allow this share of the champion's loss.",
    )
    slice_margin: Annotated[float, Field(ge=0)] = Field(
        default=0.1, description="Share of its loss a slice may be worse, beyond doubt, at most."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    min_rows: PositiveInt = Field(default=100, description="Rows to compare on, at least.")
    at_most: dict[str, float] = Field(
        default={}, description="Metric -> highest value let through."
    )
    at_least: dict[str, float] = Field(
        default={}, description="Metric -> lowest value let through."
    )

    @field_validator("at_most", "at_least")
    @classmethod
    def _are_metrics(cls, bounds: dict[str, float]) -> dict[str, float]:
        for metric in bounds:
            if metric not in METRICS:
                message = f"Unknown metric {metric!r}. {nearest(metric, METRICS)}"
                raise ValueError(message)
        return bounds
