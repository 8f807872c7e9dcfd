"""What the page of a demonstration shows: how retraining policies did on one scenario."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

EventKind = Literal["change", "detected", "retrained", "promoted", "other"]


@dataclass(frozen=True, kw_only=True)
class DemoEvent:
    """Something that happened: the plant changed, drift was seen, a model was promoted."""

    time: datetime
    what: str
    detail: str = ""
    kind: EventKind = "other"


@dataclass(frozen=True, kw_only=True)
class ErrorSeries:
    """The error of one policy over time; ``None`` where there were too few rows."""

    policy: str
    times: tuple[datetime, ...]
    errors: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if len(self.times) != len(self.errors):
            message = (
                f"The series of {self.policy!r} has {len(self.times)} times and "
                f"{len(self.errors)} errors. Give one error for each time."
            )
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class PhaseScore:
    """The error of one policy in one phase: before, during or after the change."""

    policy: str
    phase: str
    value: float
    low: float | None = None
    high: float | None = None
    rows: int


@dataclass(frozen=True, kw_only=True)
class Detection:
    """How long one change went unseen; ``delay_windows`` is None if it was never seen."""

    change: str
    began: datetime
    seen: datetime | None
    delay_windows: int | None


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Alarms in windows where nothing had changed."""

    alarms: int
    windows: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class DemoContent:
    """Everything the page of a demonstration says."""

    scenario: str
    description: str
    verdict: str
    metric: str
    unit: str
    confidence: float
    made_at: datetime
    highlighted: str
    series: tuple[ErrorSeries, ...]
    phases: tuple[PhaseScore, ...]
    events: tuple[DemoEvent, ...] = ()
    detections: tuple[Detection, ...] = ()
    false_alarms: FalseAlarms | None = None
    paths: Mapping[str, str] = field(default_factory=dict)
    next_commands: tuple[tuple[str, str], ...] = ()
