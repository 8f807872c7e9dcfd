"""The server's figures, as Prometheus reads them.

No label holds anything that a caller wrote: an unknown path counts as "other".
"""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.predictor.passes import Loaded
from bentos.predictor.request_figures import RequestFigures
from bentos.predictor.serving import Serving
from bentos.predictor.tally import NAMESPACE as NAME
from bentos.predictor.traffic import Beside
from ml_assets.core.drift_notice import STATES, DriftNotice
from ml_assets.core.errors import ServingError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Measures:
    """Counts what happens at the door, and tells the state of what is behind it.

    Args:
        serving: Holds the release that answers.
        drift: File with the newest verdict on drift; None if there is none for good.
    """

    def __init__(self, serving: Serving, drift: Path | None) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        self.of_requests = RequestFigures(NAME)
        self._registry.register(self.of_requests)
        self.feedback = self._counter("feedback", "Truths that were taken.")
        self.log_errors = self._counter("log_errors", "Requests whose record could not be written.")
        serving.tally.register(self._registry)
        self._registry.register(_State(serving, drift))

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAME, registry=self._registry)


class _State(Collector):
    """What is looked up when someone asks: nothing of it is kept up to date in between."""

    def __init__(self, serving: Serving, drift: Path | None) -> None:
        self._serving = serving
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        """Yield the figures of now."""
        loaded = self._serving.loaded
        depth = self._serving.lane.depth
        yield _gauge("queue_depth", "Requests that wait for the model or are computed.", depth)
        yield _gauge(
            "ready", "Whether a release that has proven itself answers.", loaded is not None
        )
        refused = self._serving.error is not None
        yield _gauge(
            "deployment_refused", "Whether a newer deployment could not be served.", refused
        )
        if loaded is not None:
            text = "Revision of the deployment that serves; 0 for the packed release."
            yield _gauge("deployment_revision", text, loaded.revision)
            text = "Whether scikit-learn answers, since the model could not be compiled."
            yield _gauge("fallback_evaluator", text, not loaded.predictor.compiled)
            info = InfoMetricFamily(f"{NAME}_release", "The release that answers.")
            problem = loaded.predictor.release.problem
            names = {"problem": problem, "version": loaded.version, "digest": loaded.digest}
            info.add_metric([], names)
            yield info
            yield from _traffic(loaded.beside)
            yield from _adjusted(loaded, self._serving.adjustment_error)
        yield from self._told()

    def _told(self) -> Iterator[Metric]:
        if self._drift is None:
            return
        try:
            notice = DriftNotice.from_json(self._drift.read_bytes())
        except FileNotFoundError:
            return  # nothing was judged yet
        except (OSError, ServingError):
            yield _gauge("drift_unreadable", "Whether the verdict on drift cannot be read.", 1)
            return
        states = GaugeMetricFamily(
            f"{NAME}_drift_state", "The newest verdict on drift.", labels=["version", "state"]
        )
        for state in STATES:
            states.add_metric([notice.version, state], float(state == notice.state))
        yield states
        end = notice.window_end.timestamp()
        yield _gauge("drift_window_end_seconds", "Where the judged window ends.", end)
        if notice.effect is not None:
            text = "Largest change of a column, in standard deviations."
            effect = GaugeMetricFamily(f"{NAME}_drift_effect", text, labels=["version"])
            effect.add_metric([notice.version], notice.effect)
            yield effect


def _traffic(beside: Beside | None) -> Iterator[Metric]:
    missing = beside is not None and beside.contender is None
    text = "Whether the version that should share the traffic could not be loaded."
    yield _gauge("contender_refused", text, missing)
    if beside is None:
        return
    status = beside.status()
    share = GaugeMetricFamily(
        f"{NAME}_traffic_share",
        "Part of the keys that the version beside the champion answers.",
        labels=["version", "mode"],
    )
    share.add_metric([status["version"], status["mode"]], 0.0 if missing else status["share"])
    yield share


def _adjusted(loaded: Loaded, error: str | None) -> Iterator[Metric]:
    text = "Whether a newer adjustment of the answers is not believed."
    yield _gauge("adjustment_refused", text, error is not None)
    in_force = None if loaded.adjustment is None else loaded.adjustment.intervention
    text = "Whether an intervention changes what the model says."
    yield _gauge("intervention", text, in_force is not None)
    if in_force is not None:
        text = "When the intervention ends by itself."
        yield _gauge("intervention_ends_seconds", text, in_force.ends.timestamp())
    assurer = loaded.predictor.assurer
    if assurer is not None and assurer.assurance.familiarity is not None:
        rows = CounterMetricFamily(
            f"{NAME}_unfamiliar_rows", "Rows far from all that the model was trained on."
        )
        rows.add_metric([], assurer.unfamiliar_rows)
        yield rows


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{NAME}_{name}", text, value=float(value))
