"""The alerts of a project, and each message about them until it has reached people.

Alerts and their messages are written in one transaction. A message is claimed for a while before
it is sent: who is killed on the way loses nothing, the next to look sends it. So a message may
come twice, under the same name, and never not at all.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ml_assets.core.alert import Alert, Kind, Signal
from ml_assets.core.causes import absorbed, occasion, without_gone
from ml_assets.storage.alert_rows import (
    Message,
    StoredAlert,
    change_message,
    keep_alert,
    known_alerts,
    write_messages,
)
from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import alert_messages, alerts

CLAIM = timedelta(minutes=5)  # longer than an attempt may take
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
ABSORBING_LOCK = 7_226_002  # any number that no other user of the same Postgres locks

FirstSeen = tuple[Alert, datetime]
"""An alert, and when it was first seen."""
Complete = Callable[[Sequence[FirstSeen]], list[Alert]]
"""Returns alerts, in their order, with what changed in the world and what was done about them."""


def as_they_are(found: Sequence[FirstSeen]) -> list[Alert]:
    """Return alerts as they were found."""
    return [alert for alert, _ in found]


@dataclass(frozen=True)
class _Draft:
    """An alert as signals leave it, and what is stored of it."""

    before: StoredAlert | None
    alert: Alert

    @property
    def is_settled(self) -> bool:
        """Whether it was over, and nothing new was found of it."""
        before = self.before
        return before is not None and before.closed_at is not None and self.alert == before.alert

    def first_seen(self, now: datetime) -> FirstSeen:
        """Return the alert, and when it was first seen."""
        return self.alert, self.before.at if self.before else now


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
        complete: Complete = as_they_are,
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
            complete: Says of alerts what changed in the world and what was done already.
            now: The present.
        """

        def look(connection: sa.Connection) -> list[_Draft]:
            stored = known_alerts(connection, problem, signals)
            known = [one.alert for one in stored]
            seen = without_gone(known, signals, listed=listed, now=event_time or now)
            after = absorbed(seen, signals, problem=problem, within=within)
            befores = [*stored, *[None] * (len(after) - len(stored))]
            drafts = map(_Draft, befores, after)
            return [draft for draft in drafts if not draft.is_settled]

        told: list[Alert] | None = None
        while told is None:
            with self.state.read() as connection:
                drafts = look(connection)
            # Before the transaction: it reads tables, and others wait for the end of a write.
            alerts_now = complete([draft.first_seen(now) for draft in drafts]) if drafts else []
            told = self._keep(drafts, alerts_now, look, channels=channels, now=now)
        return told

    def _keep(
        self,
        drafts: list[_Draft],
        alerts_now: Sequence[Alert],
        look: Callable[[sa.Connection], list[_Draft]],
        *,
        channels: Sequence[str],
        now: datetime,
    ) -> list[Alert] | None:
        """Write what drafts have become, if another look still finds the same drafts.

        Returns:
            The alerts of which people are told; None, and nothing written, if another process has
            absorbed in between.
        """
        changed = [
            (draft.before, alert)
            for draft, alert in zip(drafts, alerts_now, strict=True)
            if draft.before is None or alert != draft.before.alert
        ]
        if not changed:
            return []

        def work(connection: sa.Connection) -> list[Alert] | None:
            _wait_for_turn(connection)
            if look(connection) != drafts:
                return None
            told = []
            for before, alert in changed:
                number = keep_alert(connection, alert, before, now)
                why = occasion(before.alert if before else None, alert)
                if why is not None:
                    write_messages(connection, number, alert, why, channels=channels, now=now)
                    told.append(alert)
            return told

        return self.state.write(work)

    def recent(self, problem: str, limit: int = 100) -> list[StoredAlert]:
        """Return the latest alerts, newest first."""
        query = sa.select(alerts).where(alerts.c.problem == problem)
        with self.state.read() as connection:
            return fetch(connection, query.order_by(alerts.c.id.desc()).limit(limit), StoredAlert)

    def open(self, problem: str) -> list[StoredAlert]:
        """Return the alerts that go on, newest first."""
        with self.state.read() as connection:
            return known_alerts(connection, problem, [])[::-1]

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
            # Of two who see the same message in Postgres, the second waits, and finds it taken.
            oldest = query.order_by(table.id).limit(1).with_for_update(of=alert_messages)
            found = fetch(connection, oldest, Message)
            if not found:
                return None
            taken = {"attempts": found[0].attempts + 1, "next_at": now + CLAIM, "fault": ""}
            change_message(connection, found[0], taken)
            return found[0]

        return self.state.write(take)

    def delivered(self, message: Message, *, at: datetime) -> None:
        """Note that a message has reached people."""
        self.state.write(
            lambda connection: change_message(connection, message, {"delivered_at": at})
        )

    def failed(self, message: Message, fault: str, *, at: datetime) -> None:
        """Note why a message did not go out; it is sent again after a pause that doubles."""
        pause = min(FIRST_PAUSE * 2 ** min(message.attempts, 20), LONGEST_PAUSE)
        values = {"next_at": at + pause, "fault": fault}
        self.state.write(lambda connection: change_message(connection, message, values))


def _wait_for_turn(connection: sa.Connection) -> None:
    """Let one absorb after another: in SQLite writers wait for each other anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ABSORBING_LOCK)))
