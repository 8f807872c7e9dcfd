"""What the pages show: plain values, made by the assets, turned into text by this package.

A ``low`` and ``high`` of None mean that no interval was computed; the page then says so.
All times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

ModelKind = Literal["candidate", "baseline", "champion"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one model on all evaluated rows."""

    model: str
    kind: ModelKind
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    rows: int


@dataclass(frozen=True, kw_only=True)
class SliceScore:
    """One metric of one model on a part of the rows, declared or found by search."""

    slice: str
    model: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    rows: int
    found: Literal["declared", "automatic"] = "declared"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One gate: its bound in words, what was observed, and whether that passes."""

    gate: str
    bound: str
    observed: float | None
    low: float | None = None
    high: float | None = None
    passed: bool
    explanation: str = ""


@dataclass(frozen=True, kw_only=True)
class DecisionTable:
    """All gates and what follows from them."""

    promote: bool
    reason: str
    gates: tuple[GateRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CalibrationPoint:
    """Rows with similar predictions: mean prediction against mean truth (or its frequency)."""

    predicted: float
    observed: float
    low: float | None = None
    high: float | None = None
    rows: int


@dataclass(frozen=True, kw_only=True)
class DailyResidual:
    """Residuals of one day; a residual is the prediction minus the truth, in the target's unit."""

    day: datetime
    mean: float
    low: float | None = None
    high: float | None = None
    mean_absolute: float


@dataclass(frozen=True, kw_only=True)
class FoldLoss:
    """The primary metric of one model on one fold of the walk-forward evaluation."""

    fold_start: datetime
    model: str
    value: float


@dataclass(frozen=True, kw_only=True)
class FeatureImportance:
    """How much the primary metric worsens when the feature's values are shuffled."""

    feature: str
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class LineageRow:
    """A table or file that went in, at the version that was read."""

    what: str
    version: str
    rows: int
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One configuration the search tried, with its loss."""

    rank: int
    params: str
    loss: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProblemText:
    """The problem in words."""

    name: str
    task: str
    target: str
    description: str = ""
    unit: str = ""
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What is needed to make the same model again."""

    estimator: str
    training_start: datetime
    training_end: datetime
    training_rows: int
    seed: int
    code_version: str
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything the evaluation report and the model card say."""

    problem: ProblemText
    version: str
    cutoff: datetime
    made_at: datetime
    challenger: str
    champion: str | None
    primary_metric: str
    confidence: float
    decision: DecisionTable
    scores: tuple[Score, ...]
    provenance: Provenance
    slices: tuple[SliceScore, ...] = ()
    calibration: tuple[CalibrationPoint, ...] = ()
    residuals_over_time: tuple[DailyResidual, ...] = ()
    loss_over_time: tuple[FoldLoss, ...] = ()
    importance: tuple[FeatureImportance, ...] = ()
    data: tuple[LineageRow, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    trials: tuple[TrialRow, ...] = ()
    limits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
