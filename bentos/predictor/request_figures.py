"""Figures that each request changes, counted in plain numbers until somebody asks for them.

For the event loop alone. The library's own counters are made for many threads and processes: one
request would spend more time in them than in the rest of the door.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# Upper bounds of the classes that times are counted in.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BOUNDS = (*map(floatToGoString, SECONDS), "+Inf")


class RequestFigures(Collector):
    """Counts requests, their rows and their times.

    Args:
        name: What the names of all figures begin with.

    Attributes:
        in_flight: Requests that are being answered.
        rows: Rows that were answered, by version.
    """

    def __init__(self, name: str) -> None:
        self.in_flight = 0
        self._name = name
        self._requests: Counter[tuple[str, int, str]] = Counter()
        self.rows: Counter[str] = Counter()
        self._times: dict[tuple[str, str], list[int]] = {}
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def answered(self, path: str, status: int, version: str, *, seconds: float) -> None:
        """Count a request that has passed the door.

        Args:
            path: One of ours, or one name for all others.
            status: Of the answer; 0 without one.
            version: Version that answered.
            seconds: From the request's head to the end of its answer.
        """
        self._requests[path, status, version] += 1
        series = (path, version)
        times = self._times.get(series)
        if times is None:
            times = self._times[series] = [0] * len(_BOUNDS)
        times[bisect_left(SECONDS, seconds)] += 1
        self._seconds[series] += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted."""
        labels = ("path", "status", "version")
        requests = CounterMetricFamily(f"{self._name}_requests", "Requests.", labels=labels)
        for (path, status, version), count in self._requests.items():
            requests.add_metric((path, str(status), version), count)
        yield requests
        text = "Rows that were answered."
        rows = CounterMetricFamily(f"{self._name}_rows", text, labels=("version",))
        for version, count in self.rows.items():
            rows.add_metric((version,), count)
        yield rows
        text = "Time from a request's head to the end of its answer."
        labels = ("path", "version")
        times = HistogramMetricFamily(f"{self._name}_request_seconds", text, labels=labels)
        for series, counts in self._times.items():
            buckets = list(zip(_BOUNDS, accumulate(counts), strict=True))
            times.add_metric(series, buckets, self._seconds[series])
        yield times
        text = "Requests that are being answered."
        yield GaugeMetricFamily(f"{self._name}_requests_in_flight", text, value=self.in_flight)
