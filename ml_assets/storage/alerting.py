"""Alerts on their way: signals gathered, causes told, messages delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_assets.core.alert import Alert, Signal
from ml_assets.core.causes import FAILED
from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Alerts
from ml_assets.storage.alert_history import AlertHistory
from ml_assets.storage.alert_log import AlertLog, FirstSeen
from ml_assets.storage.alert_sources import LISTED, monitoring_signals
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import newest_window_end
from ml_assets.storage.notifier import Channel, channels_of
from ml_assets.storage.workspace import Workspace

MEET = 4  # windows that signals of one cause may begin apart


@dataclass(frozen=True)
class Delivery:
    """What came of an attempt to deliver all that was due.

    Attributes:
        delivered: Messages that reached people.
        faults: Why others did not, by channel.
    """

    delivered: int
    faults: dict[str, str]


def gather(workspace: Workspace, declared: DeclaredProblem, *, now: datetime) -> list[Alert]:
    """Bring all that monitoring has found into the alerts; return those people are told of now."""
    observed = newest_window_end(workspace, declared)
    if observed is None:
        return []
    return raise_alerts(
        workspace,
        declared,
        monitoring_signals(workspace, declared, observed),
        complete=True,
        event_time=observed,
        now=now,
    )


def raise_alerts(
    workspace: Workspace,
    declared: DeclaredProblem,
    signals: Sequence[Signal],
    *,
    complete: bool = False,
    event_time: datetime | None = None,
    now: datetime,
) -> list[Alert]:
    """Bring signals into the alerts of a problem; return those people are told of now.

    Args:
        workspace: Holds the alerts, and what was done about them.
        declared: The problem.
        signals: What was found.
        complete: Whether these are all open signals about the world.
        event_time: End of the newest observed window.
        now: The present.
    """
    problem = declared.problem

    def with_history(found: Sequence[FirstSeen]) -> list[Alert]:
        history = AlertHistory.read(workspace, declared)
        return [history.completed(alert, since) for alert, since in found]

    return workspace.alerts.absorb(
        problem.name,
        signals,
        listed=LISTED if complete else (),
        within=MEET * problem.monitoring.window,
        channels=[channel.name for channel in channels_of(problem.alerts)],
        event_time=event_time,
        complete=with_history,
        now=now,
    )


def failed_key(log: AlertLog, problem: str, job: str, run_id: str) -> str:
    """Return the key of a job's failure: that of its first one, while no run has succeeded."""
    for stored in log.open(problem):
        for signal in stored.alert.signals:
            if signal.key.startswith(f"{FAILED}/{job}/"):
                return signal.key
    return f"{FAILED}/{job}/{run_id}"


def deliver(
    workspace: Workspace,
    problem: str,
    alerts: Alerts,
    *,
    now: datetime | None = None,
    at_once: bool = False,
    channels: Sequence[Channel] | None = None,
) -> Delivery:
    """Send every message that is due; one that does not go out is sent again later.

    Args:
        workspace: Holds the messages.
        problem: Name of the problem.
        alerts: The declared channels.
        now: The present; by default the clock.
        at_once: Whether to try again at once what failed before.
        channels: Other channels than the declared ones.
    """
    log, delivered = workspace.alerts, 0
    faults: dict[str, str] = {}
    open_channels = {one.name: one for one in channels or channels_of(alerts)}
    while open_channels:
        present = now or datetime.now(tz=UTC)
        message = log.claim(problem, list(open_channels), now=present, at_once=at_once)
        if message is None:
            break
        try:
            open_channels[message.channel].send(Alert.from_json(message.content), message.name)
        except DeliveryError as error:
            log.failed(message, str(error), at=present)
            faults[message.channel] = str(error)
            del open_channels[message.channel]  # what follows would fail too
        else:
            log.delivered(message, at=now or datetime.now(tz=UTC))
            delivered += 1
    return Delivery(delivered, faults)
