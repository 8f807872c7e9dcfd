"""What both versions did while they shared traffic, counted for Prometheus.

A champion that serves alone counts nothing here.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

from ml_assets.core.routing import Variant

NAMESPACE = "ml_assets"
# Computing, not waiting: finer than the time of a whole request.
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Tally:
    """Rows and times by version and variant. For any thread."""

    def __init__(self) -> None:
        self._rows = Counter(
            "variant_rows",
            "Rows while two versions shared traffic: answered, failed, or dropped by the shadow.",
            ("version", "variant", "outcome"),
            namespace=NAMESPACE,
            registry=None,
        )
        self._seconds = Histogram(
            "variant_seconds",
            "Time that a version computed for the requests of a pass.",
            ("version", "variant"),
            namespace=NAMESPACE,
            buckets=SECONDS,
            registry=None,
        )

    def rows(
        self,
        version: str,
        variant: Variant,
        outcome: Literal["answered", "failed", "dropped"],
        rows: int,
    ) -> None:
        """Count rows."""
        if rows:
            self._rows.labels(version, variant, outcome).inc(rows)

    def seconds(self, version: str, variant: Variant, seconds: float) -> None:
        """Count a pass."""
        self._seconds.labels(version, variant).observe(seconds)

    def register(self, registry: CollectorRegistry) -> None:
        """Let a registry tell the figures."""
        registry.register(self._rows)
        registry.register(self._seconds)
