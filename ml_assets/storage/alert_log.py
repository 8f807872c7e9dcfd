"""The alerts of a project, and each message about them until it has reached people.

Alerts and their messages are written in one transaction. A message is claimed for a while before
it is sent: who is killed on the way loses nothing, the next to look sends it. So a message may
come twice, under the same name, and never not at all.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ml_assets.core.alert import Alert, Kind, Signal
from ml_assets.core.alert_text import plain_text
from ml_assets.core.causes import PAST, absorbed, occasion, without_gone
from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import alert_messages, alerts

CLAIM = timedelta(minutes=5)  # longer than an attempt may take
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
REMEMBERED = 500  # alerts that a signal may still belong to
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


Done = Callable[[Alert, datetime], tuple[str, ...]]
"""Says what was done about an alert that was first seen at a moment."""


class AlertLog:
    """The alerts of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def absorb(
        self,
        problem: str,
        signals: Sequence[Signal],
        *,
        listed: Collection[Kind] = (),
        within: timedelta,
        channels: Sequence[str],
        event_time: datetime | None = None,
        change: Callable[[Alert], str] = lambda alert: alert.change,
        done: Done = lambda alert, _: alert.done,
        now: datetime,
    ) -> list[Alert]:
        """Bring signals into the alerts, and write the messages that follow.

        Args:
            problem: Name of the problem.
            signals: What was found.
            listed: Kinds of which all open signals are given: others of these kinds are over.
            within: How far apart signals of one cause may begin.
            channels: Where messages go.
            event_time: End of the newest observed window; by default the present.
            change: Names what changed in the world; empty where that is not known.
            done: Says what was done already.
            now: The present.

        Returns:
            The alerts of which people are told now.
        """

        def work(connection: sa.Connection) -> list[Alert]:
            stored = _newest(connection, problem)
            known = [one.alert for one in stored]
            seen = without_gone(known, signals, listed=listed, now=event_time or now)
            after = absorbed(seen, signals, problem=problem, within=within)
            told = []
            for place, alert in enumerate(after):
                before = stored[place] if place < len(stored) else None
                first_seen = before.at if before else now
                named = Alert(
                    problem=problem,
                    signals=alert.signals,
                    change=change(alert),
                    done=done(alert, first_seen),
                )
                if before is not None and before.closed_at is not None and alert == before.alert:
                    continue
                number = _keep(connection, named, before, now)
                why = occasion(before.alert if before else None, named)
                if why is not None:
                    _write_messages(connection, number, named, why, channels=channels, now=now)
                    told.append(named)
            return told

        return self.state.write(work)

    def recent(self, problem: str, limit: int = 100) -> list[StoredAlert]:
        """Return the latest alerts, newest first."""
        query = sa.select(alerts).where(alerts.c.problem == problem)
        with self.state.read() as connection:
            return fetch(connection, query.order_by(alerts.c.id.desc()).limit(limit), StoredAlert)

    def open(self, problem: str) -> list[StoredAlert]:
        """Return the alerts that go on, newest first."""
        return [one for one in self.recent(problem, REMEMBERED) if one.closed_at is None]

    def messages(self, problem: str, alert: int | None = None) -> list[Message]:
        """Return the messages of a problem, or of one of its alerts, oldest first."""
        query = sa.select(alert_messages).where(alert_messages.c.problem == problem)
        if alert is not None:
            query = query.where(alert_messages.c.alert == alert)
        with self.state.read() as connection:
            return fetch(connection, query.order_by(alert_messages.c.id), Message)

    def claim(
        self, problem: str, channels: Sequence[str], *, now: datetime, at_once: bool = False
    ) -> Message | None:
        """Take the oldest message that is due, so that nobody else sends it meanwhile.

        A message waits for the earlier ones of its alert on its channel.

        Args:
            problem: Name of the problem.
            channels: Where messages may go.
            now: The present.
            at_once: Whether back-off is not waited for; a claim of another always is.
        """
        table = alert_messages.c
        earlier = alert_messages.alias()
        first = ~sa.exists().where(
            earlier.c.alert == table.alert,
            earlier.c.channel == table.channel,
            earlier.c.delivered_at.is_(None),
            earlier.c.id < table.id,
        )
        waiting = (table.problem == problem) & table.delivered_at.is_(None) & first
        due = table.next_at <= now
        if at_once:
            due = due | (table.fault != "")
        query = sa.select(alert_messages).where(waiting, due, table.channel.in_(channels))

        def take(connection: sa.Connection) -> Message | None:
            found = fetch(connection, query.order_by(table.id).limit(1), Message)
            if not found:
                return None
            taken = {"attempts": found[0].attempts + 1, "next_at": now + CLAIM, "fault": ""}
            _change(connection, found[0], taken)
            return found[0]

        return self.state.write(take)

    def delivered(self, message: Message, *, at: datetime) -> None:
        """Note that a message has reached people."""
        self.state.write(lambda connection: _change(connection, message, {"delivered_at": at}))

    def failed(self, message: Message, fault: str, *, at: datetime) -> None:
        """Note why a message did not go out; it is sent again after a pause that doubles."""
        pause = min(FIRST_PAUSE * 2 ** min(message.attempts, 20), LONGEST_PAUSE)
        values = {"next_at": at + pause, "fault": fault}
        self.state.write(lambda connection: _change(connection, message, values))


def _newest(connection: sa.Connection, problem: str) -> list[StoredAlert]:
    query = sa.select(alerts).where(alerts.c.problem == problem)
    found = fetch(connection, query.order_by(alerts.c.id.desc()).limit(REMEMBERED), StoredAlert)
    return found[::-1]


def _keep(
    connection: sa.Connection, alert: Alert, before: StoredAlert | None, now: datetime
) -> int:
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
        return before.id
    new = {**values, "problem": alert.problem, "episode": alert.name, "at": now}
    return connection.execute(sa.insert(alerts).values(new).returning(alerts.c.id)).scalar_one()


def _write_messages(
    connection: sa.Connection,
    number: int,
    alert: Alert,
    why: str,
    *,
    channels: Sequence[str],
    now: datetime,
) -> None:
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


def _change(connection: sa.Connection, message: Message, values: Mapping[str, Any]) -> None:
    chosen = alert_messages.c.id == message.id
    connection.execute(sa.update(alert_messages).where(chosen).values(values))
