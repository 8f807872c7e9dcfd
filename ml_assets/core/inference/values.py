"""What inference found out about a file, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ml_assets.core.contract import Kind
from ml_assets.core.problem import Baseline, EventTime, Format, Task
from ml_assets.core.window import Every

Role = Literal["time", "ignored", "key", "target", "after_event", "feature", "plain"]


@dataclass(frozen=True)
class Doubt:
    """Something a person should look at.

    Attributes:
        about: The column or the field of the declaration.
        text: What was seen and what was made of it.
    """

    about: str
    text: str


@dataclass(frozen=True)
class Inferred:
    """One column of the file.

    Attributes:
        source: Name in the file.
        name: Name in the contract.
        role: What it is used for; 'time' and 'ignored' columns are not in the contract, 'plain'
            ones are, but are no features.
        kind: What its values are.
        missing: Cells without a value.
        distinct: Number of different values.
        low: Smallest value, for numbers.
        high: Largest value, for numbers.
        at_least: Bound frozen in the contract.
        at_most: Bound frozen in the contract.
        allowed: Values frozen in the contract.
        sentinels: Numbers that mean a missing value.
        date_format: How its dates are written, if not ISO.
        why: Why it has its role, where that needs a word.
        remarks: What a reader of the contract should know.
    """

    source: str
    name: str
    role: Role = "feature"
    kind: Kind = "string"
    missing: int = 0
    distinct: int = 0
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    allowed: tuple[str | int, ...] | None = None
    sentinels: tuple[float, ...] = ()
    date_format: str | None = None
    why: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def in_contract(self) -> bool:
        """Whether validated rows hold the column."""
        return self.role not in ("time", "ignored")


@dataclass(frozen=True)
class Pace:
    """How rows lie in time, and what follows for partitions, delays and folds.

    Attributes:
        start: Event time of the first row.
        last: Event time of the last row.
        step: Usual time from one row of an entity to the next.
        regular: Share of rows that come exactly one step after the one before.
        every: Size of a partition.
        partitions: Number of partitions between first and last row.
        end: End of the last partition; None where rows are still coming.
        max_gap: Longest silence that is not unusual.
        max_rejected: Share of rejected rows that no partition of this file exceeds.
    """

    start: datetime
    last: datetime
    step: timedelta
    regular: float
    every: Every
    partitions: int
    end: datetime | None
    max_gap: timedelta
    max_rejected: float

    @property
    def span(self) -> timedelta:
        """Time from the first row to the last."""
        return self.last - self.start


@dataclass(frozen=True)
class Truth:
    """The label, as it was found.

    Attributes:
        column: Name in the contract.
        task: What kind of problem it makes.
        kind: What its values are.
        delay: Assumed time until it is known.
        classes: Its values, the most frequent first; empty for a regression.
        skewed: Whether it is positive with a long upper tail.
        outlying: Whether a few values are far away from all others.
    """

    column: str
    task: Task
    kind: Kind
    delay: timedelta
    classes: tuple[str, ...] = ()
    skewed: bool = False
    outlying: bool = False


@dataclass(frozen=True)
class Inference:
    """Everything a problem's three files are written from.

    Attributes:
        rows: Rows read from the file.
        complete: Whether these are all of its rows.
        columns: Its columns, in the file's order.
        format: How its text is read.
        time: How the event time is read.
        keys: Columns that name the entity, as in the contract.
        pace: How rows lie in time.
        truth: The label.
        baselines: Rules worth competing with.
        doubts: What a person should look at.
        renames: Name in the file -> name in the contract, where they differ.
    """

    rows: int
    complete: bool
    columns: tuple[Inferred, ...]
    format: Format
    time: EventTime
    keys: tuple[str, ...]
    pace: Pace
    truth: Truth
    baselines: tuple[Baseline, ...]
    doubts: tuple[Doubt, ...]
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def contract(self) -> tuple[Inferred, ...]:
        """Columns of the validated rows."""
        return tuple(column for column in self.columns if column.in_contract)

    def having(self, *roles: Role) -> tuple[Inferred, ...]:
        """Return the columns with one of some roles."""
        return tuple(column for column in self.columns if column.role in roles)
