"""How often one caller may ask: a bucket of tokens for each, in bounded memory."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

MOST_CALLERS = 10_000


@dataclass(frozen=True)
class RateLimit:
    """What one caller is allowed.

    Attributes:
        requests_per_second: Tokens that come back in a second.
        burst: Tokens of a full bucket: requests that may come at once.
    """

    requests_per_second: float
    burst: int


class TokenBuckets:
    """A token bucket for each caller.

    At most ``most`` callers are remembered. The one that was seen longest ago is forgotten first:
    its bucket has filled up most.

    Args:
        limit: What each caller is allowed.
        most: Callers that are remembered.

    Example:
        >>> buckets = TokenBuckets(RateLimit(requests_per_second=0.5, burst=1))
        >>> [buckets.take("a", now=now) for now in (0.0, 0.0, 1.0, 2.0)]
        [0.0, 2.0, 1.0, 0.0]
    """

    def __init__(self, limit: RateLimit, *, most: int = MOST_CALLERS) -> None:
        self.limit = limit
        self._most = most
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, caller: Hashable, *, now: float) -> float:
        """Take a token of a caller's bucket.

        Args:
            caller: Who asks.
            now: Seconds of a clock that never goes back.

        Returns:
            0 if the caller may go on; else the seconds until a token is there.
        """
        burst, pace = float(self.limit.burst), self.limit.requests_per_second
        tokens, since = self._buckets.pop(caller, (burst, now))
        tokens = min(burst, tokens + (now - since) * pace)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / pace
