"""Training-serving skew: what was served beside what the batch says, to the bit."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

PREDICTION = "(prediction)"
LEFT_OUT = "(row)"
WORST = 50


@dataclass(frozen=True)
class Difference:
    """A value that the batch gives otherwise.

    Attributes:
        request_id: Name of the request.
        row: Position of the row in it.
        event_time: When the row happened.
        version: Version that answered.
        column: The feature, ``(prediction)``, or ``(row)`` if the batch leaves the row out.
        served: Value in the log.
        replayed: Value of the batch.
    """

    request_id: str
    row: int
    event_time: datetime
    version: str
    column: str
    served: Any
    replayed: Any

    @property
    def size(self) -> float:
        """How far apart two numbers are; infinite where one is missing or no number."""
        pair = (self.served, self.replayed)
        if all(isinstance(value, int | float) for value in pair):
            return abs(float(self.served) - float(self.replayed))
        return float("inf")


@dataclass(frozen=True)
class SkewReport:
    """What a replay of the prediction log found.

    Attributes:
        rows: Rows in the log.
        compared: Rows that were compared.
        values: Features and predictions that were compared.
        different_rows: Rows of which a value differs.
        by_column: Number of different values of each column, where there are any.
        worst: The largest differences first, at most ``WORST``.
        asked_again: Rows that were asked once more, each request by itself.
        not_compared: Rows that could not be compared, by reason.
    """

    rows: int = 0
    compared: int = 0
    values: int = 0
    different_rows: int = 0
    by_column: Mapping[str, int] = field(default_factory=dict)
    worst: tuple[Difference, ...] = ()
    asked_again: int = 0
    not_compared: Mapping[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether every row that was compared is the same to the bit."""
        return self.different_rows == 0

    @property
    def largest(self) -> float:
        """The largest difference between two numbers; 0 if all are equal."""
        sizes = [one.size for one in self.worst if one.size != float("inf")]
        return max(sizes, default=0.0)

    def with_rows(self, rows: int, not_compared: Mapping[str, int]) -> Self:
        """Return the report with the rows it is about, and those it could say nothing of."""
        return replace(self, rows=rows, not_compared=not_compared)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the report on the rows of several reports."""
        listed = list(parts)
        columns: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for part in listed:
            columns.update(part.by_column)
            reasons.update(part.not_compared)
        every = [difference for part in listed for difference in part.worst]
        return cls(
            rows=sum(part.rows for part in listed),
            compared=sum(part.compared for part in listed),
            values=sum(part.values for part in listed),
            different_rows=sum(part.different_rows for part in listed),
            by_column=dict(columns.most_common()),
            worst=worst_of(every),
            asked_again=sum(part.asked_again for part in listed),
            not_compared=dict(reasons.most_common()),
        )


def worst_of(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return the largest differences, the largest first."""
    ranked = sorted(differences, key=lambda d: (-d.size, d.event_time, d.request_id, d.row))
    return tuple(ranked[:WORST])
