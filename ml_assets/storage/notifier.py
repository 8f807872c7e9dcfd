"""Who is told of an alert: the log always, and a webhook where one is declared."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from ml_assets.core.errors import MLAssetsError
from ml_assets.core.problem import Alerts

LOG = logging.getLogger("ml_assets.alerts")
TRY_AGAIN = (408, 425, 429)


@dataclass(frozen=True)
class Alert:
    """What a person should know of.

    Attributes:
        problem: Name of the problem.
        title: One line.
        text: What happened and what to do.
        severity: How bad it is, such as "warn", "retrain" or "data_fault".
        at: Event time it is about.
        episode: Episode it opens, if any: what a receiver drops repetitions by.
        facts: Figures, as plain JSON values.
    """

    problem: str
    title: str
    text: str
    severity: str
    at: datetime
    episode: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "at": self.at.isoformat(), "facts": dict(self.facts)}


class Notifier(Protocol):
    """Tells somebody."""

    def notify(self, alert: Alert) -> None:
        """Tell of ``alert``, or raise if nobody could be told."""
        ...


@dataclass(frozen=True)
class LogNotifier:
    """Writes alerts to the log ``ml_assets.alerts``."""

    def notify(self, alert: Alert) -> None:
        """Write one warning."""
        LOG.warning("%s [%s] %s: %s", alert.problem, alert.severity, alert.title, alert.text)


@dataclass(frozen=True)
class WebhookNotifier:
    """Sends alerts as JSON by POST.

    Attributes:
        address: Where to; it often holds a secret, and is never logged.
        timeout: Seconds an attempt may take.
        attempts: Attempts, while the receiver cannot be reached or is busy.
        pause: Seconds before the second attempt; it doubles with every further one.
    """

    address: str = field(repr=False)
    timeout: float = 5.0
    attempts: int = 3
    pause: float = 0.5

    def notify(self, alert: Alert) -> None:
        """Send one alert.

        Raises:
            MLAssetsError: If the receiver refused it or could not be reached.
        """
        fault = "was not tried"
        with httpx.Client(timeout=self.timeout) as client, _unlogged(self.address):
            for attempt in range(self.attempts):
                if attempt:
                    time.sleep(self.pause * 2 ** (attempt - 1))
                try:
                    status = client.post(self.address, json=alert.to_json()).status_code
                except httpx.TransportError as error:
                    fault = f"could not be reached ({type(error).__name__})"
                    continue
                if 200 <= status < 300:
                    return
                fault = f"answered {status}"
                if status < 500 and status not in TRY_AGAIN:
                    break
        # Only the host is named: paths and queries of webhooks are passwords.
        message = (
            f"The alert {alert.title!r} of {alert.problem} was not delivered: the webhook at "
            f"{urlsplit(self.address).hostname} {fault}. Check alerts.webhook in the declaration."
        )
        raise MLAssetsError(message)


@dataclass(frozen=True)
class Notifiers:
    """Tells several, in order."""

    each: Sequence[Notifier]

    def notify(self, alert: Alert) -> None:
        """Tell all; the first that fails stops it."""
        for notifier in self.each:
            notifier.notify(alert)


def notifier_for(alerts: Alerts) -> Notifier:
    """Return what the declaration asks for: the log, and the webhook if it has one."""
    if alerts.webhook is None:
        return LogNotifier()
    return Notifiers((LogNotifier(), WebhookNotifier(alerts.webhook)))


@contextmanager
def _unlogged(address: str) -> Iterator[None]:
    """Keep httpx's log from naming ``address``."""
    logged = str(httpx.URL(address))

    def names_no_address(record: logging.LogRecord) -> bool:
        return logged not in record.getMessage()

    log = logging.getLogger("httpx")
    log.addFilter(names_no_address)
    try:
        yield
    finally:
        log.removeFilter(names_no_address)
