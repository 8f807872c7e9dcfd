"""When to ask again, and after how long: exponential back-off with full jitter.

Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """How patient a client is.

    Attributes:
        attempts: How often a request is sent at most; 1 never retries.
        base: Seconds of the first wait, at most; each next one may be twice as long.
        cap: Seconds of any wait that the client chooses, at most.
        longest: Seconds the client waits if the server asks for it; beyond that it gives up.

    Example:
        >>> Retry(base=0.1, cap=5.0).ceiling(1), Retry(base=0.1, cap=5.0).ceiling(9)
        (0.1, 5.0)
    """

    attempts: int = 5
    base: float = 0.2
    cap: float = 10.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            message = f"attempts is {self.attempts}; a request is sent at least once."
            raise ValueError(message)

    def ceiling(self, attempt: int) -> float:
        """Return the longest wait after the given attempt, counted from 1, in seconds."""
        return min(self.cap, self.base * 2 ** (attempt - 1))

    def wait(self, attempt: int, *, asked: float | None) -> float | None:
        """Return the seconds to wait after a failed attempt; None gives up.

        Args:
            attempt: Which attempt failed, counted from 1.
            asked: Seconds the server asks to wait, if it does.
        """
        if attempt >= self.attempts or (asked is not None and asked > self.longest):
            return None
        # Spread over the whole interval, so that clients that failed together do not return so.
        chosen = random.uniform(0.0, self.ceiling(attempt))  # noqa: S311
        return max(chosen, asked or 0.0)


def retry_after(header: str | None, *, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks to wait (RFC 9110, 10.2.3).

    Example:
        >>> retry_after("3", now=datetime(2024, 1, 1, tzinfo=UTC))
        3.0
        >>> retry_after("Mon, 01 Jan 2024 00:00:09 GMT", now=datetime(2024, 1, 1, tzinfo=UTC))
        9.0
    """
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None  # neither form: as if there were none
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
