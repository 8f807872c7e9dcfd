"""What a person is told: one alert a cause, however many findings it has.

A signal is what one part of the system found. An alert holds all signals of one cause and owns the
text: what changed, since when, how sure that is, what it is expected to cost, what was done, and
the one command to run next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Literal, Self, get_args

from pydantic import TypeAdapter, ValidationError

from ml_assets.core.errors import DataError

Kind = Literal[
    "data_fault",
    "circuit_breaker",
    "rollback",
    "performance",
    "drift",
    "coverage",
    "failed_run",
    "traffic",
    "test",
]
"""What kinds of trouble there are; where several meet, the first names the alert."""
Severity = Literal["info", "warn", "critical"]
Section = tuple[str, tuple[str, ...]]

RANKS: Mapping[Severity, int] = {"info": 0, "warn": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True)
class ExpectedLoss:
    """What the trouble is expected to cost for each row, as long as it lasts.

    Attributes:
        metric: Metric, as a loss.
        value: Its value now.
        low: Lower bound of its interval.
        high: Upper bound of its interval.
        confidence: How often such an interval holds the truth.
        before: Its value before; None if that is not known.
        origin: Where it is from, such as "realised" or "audited".
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float = 0.95
    before: float | None = None
    origin: str = "realised"

    def __str__(self) -> str:
        interval = f"{self.confidence:.0%}: {self.low:.4g} to {self.high:.4g}"
        before = "" if self.before is None else f"; {self.before:.4g} before"
        return f"{self.metric} {self.value:.4g} a row ({interval}{before}; {self.origin})."


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What one part of the system found.

    Attributes:
        key: Names it: the same however often it is found.
        kind: Kind of trouble.
        severity: How bad it is.
        title: In a few words, without the moment.
        what: What was found, in a sentence.
        sure: How sure that is, in a sentence.
        since: Event time from which it holds.
        until: When it was over; None while it goes on.
        ended_by: Why it was over.
        lasts: Whether it is a stretch of time; what only happened is never told to be over.
        loss: What it is expected to cost.
        next_command: What a person runs next.
    """

    key: str
    kind: Kind
    severity: Severity
    title: str
    what: str
    sure: str
    since: datetime
    until: datetime | None = None
    ended_by: str = ""
    lasts: bool = True
    loss: ExpectedLoss | None = None
    next_command: str

    def ended(self, until: datetime, reason: str) -> Self:
        """Return the signal, over."""
        return replace(self, until=max(until, self.since), ended_by=reason)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """All signals of one cause.

    Attributes:
        problem: Name of the problem.
        signals: What was found, in the order in which it was.
        change: What changed in the world, where it could be named.
        done: What was done about it already.
    """

    problem: str
    signals: tuple[Signal, ...]
    change: str = ""
    done: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the cause is called: the key of what was found first."""
        return self.signals[0].key

    @property
    def leading(self) -> Signal:
        """The worst signal, those that go on before those that are over."""
        order = {kind: place for place, kind in enumerate(get_args(Kind))}
        return min(
            self.signals,
            key=lambda s: (s.until is not None, -RANKS[s.severity], order[s.kind], s.since),
        )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of its signals."""
        return tuple(dict.fromkeys(signal.kind for signal in self.signals))

    @property
    def severity(self) -> Severity:
        """That of the worst signal, over or not."""
        return max((signal.severity for signal in self.signals), key=RANKS.__getitem__)

    @property
    def since(self) -> datetime:
        """Earliest event time at which a signal holds."""
        return min(signal.since for signal in self.signals)

    @property
    def until(self) -> datetime | None:
        """When the last signal was over; None while one goes on."""
        ends = [signal.until if signal.lasts else signal.since for signal in self.signals]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def is_over(self) -> bool:
        """Whether it lasted and is over."""
        return self.until is not None and any(signal.lasts for signal in self.signals)

    @property
    def title(self) -> str:
        """One line."""
        begin = "over" if self.is_over else self.severity
        return f"[{begin}] {self.problem}: {self.leading.title} since {moment(self.since)}"

    @property
    def next_command(self) -> str:
        """The one command to run next."""
        return self.leading.next_command

    @property
    def sections(self) -> tuple[Section, ...]:
        """What a person wants to know, each part with its lines."""
        losses = tuple(str(s.loss) for s in self.signals if s.loss is not None)
        found = tuple(dict.fromkeys(signal.what for signal in self.signals))
        return (
            ("What changed", (self.change, *found) if self.change else found),
            ("Since when", self._times()),
            ("How sure", tuple(dict.fromkeys(signal.sure for signal in self.signals))),
            ("Expected loss", losses or ("Not known: it has not been measured.",)),
            ("Done already", self.done or ("Nothing.",)),
            ("Next", (self.next_command,)),
        )

    def _times(self) -> tuple[str, ...]:
        first = f"{moment(self.since)}, event time."
        if not self.is_over or self.until is None:
            return (first,)
        last = max(self.signals, key=lambda signal: signal.until or signal.since)
        return (first, f"Over at {moment(self.until)}: {last.ended_by or 'no longer found'}.")

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return _adapter().dump_python(self, mode="json")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Alert":
        """Build the alert that ``to_json`` described.

        Raises:
            DataError: If it describes none.
        """
        try:
            return _adapter().validate_python(stored)
        except ValidationError as error:
            message = f"A stored alert cannot be read: {error}. Was it changed by hand?"
            raise DataError(message) from error


def moment(at: datetime) -> str:
    """Return a moment as people read it.

    Example:
        >>> from datetime import UTC
        >>> moment(datetime(2026, 3, 1, 6, tzinfo=UTC))
        '2026-03-01 06:00 UTC'
    """
    return f"{at:%Y-%m-%d %H:%M} UTC"


@cache
def _adapter() -> TypeAdapter[Alert]:
    return TypeAdapter(Alert)
