"""What a request holds once it is decoded, or why it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

EVENT_TIME = "event_time"
MAX_FAULTS = 20
# Rows of a request that are told value by value; more stay a table.
FEW = 64
# What every later stage can hold: 64-bit integers, 32-bit floats of trees, nanosecond times.
INTEGERS = (-(2**63), 2**63 - 1)
FLOATS = (-3.4028234663852886e38, 3.4028234663852886e38)
TIMES = (datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Fault:
    """One reason why a request is refused.

    Attributes:
        row: Position of the row in the request, from 0; None if the request as a whole is wrong.
        column: The field at fault, where there is one.
        rule: Which rule is broken, in one word.
        message: What was wrong and what is expected.
    """

    row: int | None
    column: str | None
    rule: str
    message: str


@dataclass(frozen=True)
class Refused:
    """A request that cannot be answered.

    Attributes:
        status: HTTP status: 400 where the body is not what it says, 413 and 415 where it is too
            large or compressed otherwise than allowed, 422 where its content is wrong.
        faults: What is wrong, at most ``MAX_FAULTS`` reasons.
    """

    status: Literal[400, 413, 415, 422]
    faults: tuple[Fault, ...]


class RequestRows:
    """The rows of a request, by column.

    Args:
        event_times: When each row happened, in UTC.
        columns: Values of each column of the contract, None where missing.
    """

    def __init__(self, event_times: list[datetime], columns: Mapping[str, list[Any]]) -> None:
        self._event_times = event_times
        self.columns = columns

    def __len__(self) -> int:
        return len(self._event_times)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RequestRows):
            return NotImplemented
        ours, theirs = (self.event_times, self.columns), (other.event_times, other.columns)
        return ours[0] == theirs[0] and dict(ours[1]) == dict(theirs[1])

    __hash__ = None  # its lists can change

    @property
    def event_times(self) -> list[datetime]:
        """When each row happened, in UTC."""
        return self._event_times

    def happened_at(self, event_times: list[datetime]) -> "RequestRows":
        """Return the same rows at other times."""
        return RequestRows(event_times, self.columns)

    def identities(self, keys: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return what names each row: its keys and its event time."""
        return list(zip(*(self.columns[key] for key in keys), self.event_times, strict=True))

    def row(self, position: int) -> dict[str, Any]:
        """Return the columns of one row."""
        return {name: values[position] for name, values in self.columns.items()}
