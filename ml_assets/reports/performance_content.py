"""What the page on performance shows: each cohort, three ways."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

Belief = Literal["realised", "corrected", "audited", "estimated", "none"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A figure with its interval; None where it is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class CohortRow:
    """What one version answered on one date."""

    date: date
    version: str
    answered: int
    labelled: int
    audit_asked: int
    audit_rows: int
    realised: Band
    corrected: Band
    estimated: Band
    audited: Band
    believed: Band
    belief: Belief
    concept_changed: bool
    reason: str

    @property
    def is_corrected(self) -> bool:
        """Whether labels are missing and the realised figure is corrected for that."""
        return self.labelled < self.answered and self.corrected.value is not None


@dataclass(frozen=True, kw_only=True)
class PerformanceContent:
    """Everything the page says.

    Attributes:
        problem: Its name.
        metric: Whose loss is told.
        confidence: Of all intervals.
        until: Up to when labels were known.
        made_at: When the page was made.
        cohorts: In order of date and version, at least one.
        command: What labels more rows.
    """

    problem: str
    metric: str
    confidence: float
    until: datetime
    made_at: datetime
    cohorts: tuple[CohortRow, ...]
    command: str
