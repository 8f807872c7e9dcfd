"""The rows of alerts, of their signals and of the messages about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_assets.core.alert import Alert, Signal
from ml_assets.core.alert_text import plain_text
from ml_assets.core.causes import PAST
from ml_assets.storage.state import fetch
from ml_assets.storage.tables import alert_messages, alert_signals, alerts

LOG_CHANNEL = "log"


@dataclass(frozen=True)
class StoredAlert:
    """An alert as it is kept.

    Attributes:
        id: Its number.
        problem: Name of the problem.
        severity: How bad it is.
        cause: Kinds of its signals.
        text: All of it, for people.
        episode: Name of the cause; one alert each.
        details: The alert, as JSON values.
        at: When it was first seen.
        closed_at: When it was seen to be over; None while it is open.
    """

    id: int
    problem: str
    severity: str
    cause: str
    text: str
    episode: str
    details: Mapping[str, Any]
    at: datetime
    closed_at: datetime | None

    @property
    def alert(self) -> Alert:
        """The alert itself."""
        return Alert.from_json(self.details)


@dataclass(frozen=True)
class Message:
    """One message about an alert, for one channel.

    Attributes:
        id: Its number.
        alert: Number of the alert.
        problem: Name of the problem.
        occasion: Why people are told.
        channel: Where it goes.
        content: The alert as it was then, as JSON values.
        at: When it was written.
        attempts: How often it was sent, or begun to be.
        next_at: Not to be sent before.
        delivered_at: When it reached people; None if it did not yet.
        fault: Why the last attempt failed.
    """

    id: int
    alert: int
    problem: str
    occasion: str
    channel: str
    content: Mapping[str, Any]
    at: datetime
    attempts: int
    next_at: datetime
    delivered_at: datetime | None
    fault: str

    @property
    def name(self) -> str:
        """What a receiver tells repetitions by."""
        return f"{self.problem}/{self.alert}/{self.occasion}"


def known_alerts(
    connection: sa.Connection, problem: str, signals: Sequence[Signal]
) -> list[StoredAlert]:
    """Return the alerts that are open, and those that hold one of some signals, oldest first."""
    theirs = sa.select(alert_signals.c.alert).where(
        alert_signals.c.problem == problem,
        alert_signals.c.key.in_([signal.key for signal in signals]),
    )
    query = sa.select(alerts).where(
        alerts.c.problem == problem, alerts.c.closed_at.is_(None) | alerts.c.id.in_(theirs)
    )
    return fetch(connection, query.order_by(alerts.c.id), StoredAlert)


def keep_alert(
    connection: sa.Connection, alert: Alert, before: StoredAlert | None, now: datetime
) -> int:
    """Write an alert over what was stored of it, if anything, and return its number."""
    closed = before.closed_at if before else None
    values = {
        "severity": alert.severity,
        "cause": ", ".join(alert.kinds),
        "text": plain_text(alert),
        "details": alert.to_json(),
        "closed_at": None if alert.until is None else closed or now,
    }
    if before is not None:
        connection.execute(sa.update(alerts).where(alerts.c.id == before.id).values(values))
        number, known = before.id, {signal.key for signal in before.alert.signals}
    else:
        new = {**values, "problem": alert.problem, "episode": alert.name, "at": now}
        query = sa.insert(alerts).values(new).returning(alerts.c.id)
        number, known = connection.execute(query).scalar_one(), set()
    joined = [
        {"problem": alert.problem, "key": signal.key, "alert": number}
        for signal in alert.signals
        if signal.key not in known
    ]
    if joined:
        connection.execute(sa.insert(alert_signals), joined)
    return number


def write_messages(
    connection: sa.Connection,
    number: int,
    alert: Alert,
    why: str,
    *,
    channels: Sequence[str],
    now: datetime,
) -> None:
    """Write a message for each channel that has none about an alert on this occasion."""
    told = connection.execute(
        sa.select(alert_messages.c.channel).where(
            alert_messages.c.alert == number, alert_messages.c.occasion == why
        )
    )
    already = set(told.scalars())
    asked = [LOG_CHANNEL] if why == PAST else channels
    rows = [
        {
            "alert": number,
            "problem": alert.problem,
            "occasion": why,
            "channel": channel,
            "content": alert.to_json(),
            "at": now,
            "attempts": 0,
            "next_at": now,
            "fault": "",
        }
        for channel in asked
        if channel not in already
    ]
    if rows:
        connection.execute(sa.insert(alert_messages), rows)


def change_message(connection: sa.Connection, message: Message, values: Mapping[str, Any]) -> None:
    """Write values into the row of a message."""
    chosen = alert_messages.c.id == message.id
    connection.execute(sa.update(alert_messages).where(chosen).values(values))
