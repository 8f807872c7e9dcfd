"""The problem: what a user declares, whole."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from ml_assets.core.errors import nearest
from ml_assets.core.problem.base import Declaration, faults_at
from ml_assets.core.problem.learning import (
    METRICS,
    ROW_LOSSES,
    Baseline,
    Candidate,
    Evaluation,
    Features,
    Gates,
    Label,
    Search,
    Slice,
    Task,
)
from ml_assets.core.problem.operation import (
    Alerts,
    Labelling,
    Monitoring,
    Quality,
    Retraining,
    Serving,
)
from ml_assets.core.problem.source import Reference, Source
from ml_assets.core.problem.time import EventTime, Partitions

WEEK = timedelta(days=7)


class Duplicates(Declaration):
    """What happens to several rows with the same keys and event time."""

    keep: Literal["first", "last", "none"] = Field(
        default="last",
        description="Which one stays, in order of arrival; the others are rejected and counted.",
    )


class Problem(Declaration):
    """A supervised problem, from its source to its retraining."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,62}$", description="Key prefix of everything it yields."
    )
    description: str = ""
    owners: tuple[str, ...] = Field(default=(), description="Dagster owners, such as team:plant.")
    task: Task
    source: Source
    time: EventTime
    partitions: Partitions
    keys: tuple[str, ...] = Field(default=(), description="Columns that name the entity.")
    duplicates: Duplicates = Duplicates()
    after_event: tuple[str, ...] = Field(
        default=(), description="Columns known only after the event: never features."
    )
    references: dict[str, Reference] = Field(default={}, description="Tables joined by key.")
    quality: Quality = Quality()
    label: Label
    features: Features = Features()
    evaluation: Evaluation = Evaluation()
    baselines: tuple[Baseline, ...] = Field(default=({"kind": "typical"},), validate_default=True)
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    search: Search = Search()
    metrics: tuple[str, ...] = Field(
        default=(),
        validate_default=True,
        description="Metrics to report, the primary one first; by default all of the task.",
    )
    slices: tuple[Slice, ...] = ()
    gates: Gates = Gates()
    serving: Serving = Serving()
    monitoring: Monitoring = Monitoring()
    grey_box: str | None = Field(
        default=None,
        description="Import path of a class with a physical model of the readings; drift is then "
        "told by which of its constants moved.",
    )
    retraining: Retraining = Retraining()
    labelling: Labelling = Labelling()
    alerts: Alerts = Alerts()
    seed: int = Field(default=0, description="Seed of everything random in training.")

    @field_validator("evaluation")
    @classmethod
    def _gap_covers_the_label_delay(
        cls, evaluation: Evaluation, info: ValidationInfo
    ) -> Evaluation:
        label: Label | None = info.data.get("label")
        gap = evaluation.gap
        if label is not None and gap is not None and gap < label.delay:
            message = (
                f"evaluation.gap ({gap}) is shorter than label.delay ({label.delay}): a fold "
                "would be trained on labels that were not known. Lengthen the gap or leave it out."
            )
            raise faults_at({"gap": message})
        return evaluation

    @field_validator("metrics")
    @classmethod
    def _metrics_fit_the_task(
        cls, declared: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        task: Task | None = info.data.get("task")
        if task is None:
            return declared  # the task itself is wrong, and said to be
        fitting = [metric for metric, tasks in METRICS.items() if task in tasks]
        for metric in declared:
            if metric not in fitting:
                message = f"Metric {metric!r} is not for {task}. {nearest(metric, fitting)}"
                raise ValueError(message)
        if declared and declared[0] not in ROW_LOSSES:
            able = [metric for metric in fitting if metric in ROW_LOSSES]
            message = (
                f"The primary metric {declared[0]!r} is not a mean over rows, so a paired "
                f"test cannot compare it. Put one of {able} first."
            )
            raise ValueError(message)
        return declared or tuple(fitting)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [candidate.name for candidate in self.candidates]
        names += [baseline.name for baseline in self.baselines]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"Candidates and baselines need names of their own; used twice: {twice}."
            raise ValueError(message)
        if self.label.column in self.after_event:
            message = f"label.column {self.label.column!r} need not stand in after_event."
            raise ValueError(message)
        return self

    @property
    def primary_metric(self) -> str:
        """Metric the gate compares."""
        return self.metrics[0]

    @property
    def label_reach(self) -> timedelta:
        """Age up to which past labels are read, by features and by baselines."""
        periods = [baseline.period or WEEK for baseline in self.baselines]
        return max(self.features.lookback, self.label.delay + 2 * max(periods, default=WEEK))

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that name one row: the entity's keys and the event time."""
        return (*self.keys, "event_time")
