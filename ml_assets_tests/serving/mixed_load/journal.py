"""What callers sent and were told, kept for the judgement after the load."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Acknowledged:
    """An answer that a caller has read.

    Attributes:
        caller: Who asked.
        request_id: Its name.
        rows: What was asked.
        versions: Who answered each row, as the answer says.
        revision: Of the deployment, as the answer says.
        predictions: What it was told.
        is_repeat: Whether the same request had been answered before.
        at: Monotonic seconds.
    """

    caller: str
    request_id: str
    rows: tuple[Row, ...]
    versions: tuple[str, ...]
    revision: int
    predictions: tuple[float, ...]
    is_repeat: bool
    at: float


@dataclass(frozen=True)
class BrokenConnection:
    """A request without an answer: the connection failed between two moments."""

    kind: str
    error: str
    began: float
    ended: float


@dataclass
class Journal:
    """Filled by all callers at once; read when they have ended.

    Attributes:
        acknowledged: Answers with predictions.
        truths: Feedback that was taken: request id, row and truth.
        broken: Requests whose connection failed.
        replies: How many answers of which status each kind of request got.
        attempts: How often a request of this name was sent.
        faults: Whatever should not have been, in words.
        never_logged: Names of requests that were refused, whatever happened.
        waits: When each request that was answered was sent, and when its answer was there.
    """

    acknowledged: list[Acknowledged] = field(default_factory=list)
    truths: list[tuple[str, int, float]] = field(default_factory=list)
    broken: list[BrokenConnection] = field(default_factory=list)
    replies: Counter[tuple[str, int]] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    never_logged: set[str] = field(default_factory=set)
    waits: list[tuple[float, float]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reply(self, kind: str, status: int, *, began: float, ended: float) -> None:
        """Count an answer."""
        with self._lock:
            self.replies[kind, status] += 1
            self.waits.append((began, ended))

    def attempt(self, name: str) -> int:
        """Count a request that is sent, and return how often it was sent by now."""
        with self._lock:
            self.attempts[name] += 1
            return self.attempts[name]
