"""Why the system acted or did not, and what people were told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import alerts, decisions


@dataclass(frozen=True)
class Decision:
    """One decision: its kind (such as "retraining"), its outcome and what led to it."""

    id: int
    problem: str
    kind: str
    outcome: str
    reason: str
    episode: str | None
    details: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Alert:
    """One message to people about one cause.

    Attributes:
        id: Number in the log.
        problem: Name of the problem.
        severity: How bad it is.
        cause: What happened, in a word.
        text: What happened, for people.
        episode: Name of the stretch of trouble it belongs to; one alert each.
        details: Figures, as JSON values.
        at: When it was raised.
        delivered_at: When it reached people, None if it did not yet.
    """

    id: int
    problem: str
    severity: str
    cause: str
    text: str
    episode: str
    details: Mapping[str, Any]
    at: datetime
    delivered_at: datetime | None


class DecisionLog:
    """The decisions of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def record(
        self,
        problem: str,
        kind: str,
        outcome: str,
        reason: str,
        *,
        episode: str | None = None,
        details: Mapping[str, Any] | None = None,
        at: datetime,
    ) -> int:
        """Append a decision and return its number."""
        values = {
            "problem": problem,
            "kind": kind,
            "outcome": outcome,
            "reason": reason,
            "episode": episode,
            "details": details or {},
            "at": at,
        }
        return self.state.write(lambda connection: _insert(connection, decisions, values))

    def record_all(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Append many decisions at once; each has the fields of ``record`` by name."""
        if rows:
            self.state.write(lambda connection: connection.execute(sa.insert(decisions), rows))

    def recent(
        self,
        problem: str,
        kind: str | None = None,
        limit: int = 100,
        *,
        outcome: str | None = None,
    ) -> list[Decision]:
        """Return the latest decisions, of one kind and outcome or of all, newest first."""
        query = sa.select(decisions).where(decisions.c.problem == problem)
        if kind is not None:
            query = query.where(decisions.c.kind == kind)
        if outcome is not None:
            query = query.where(decisions.c.outcome == outcome)
        query = query.order_by(decisions.c.at.desc(), decisions.c.id.desc()).limit(limit)
        with self.state.read() as connection:
            return fetch(connection, query, Decision)


class AlertLog:
    """The alerts of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def record(
        self,
        problem: str,
        severity: str,
        cause: str,
        text: str,
        *,
        episode: str,
        details: Mapping[str, Any] | None = None,
        at: datetime,
    ) -> Alert | None:
        """Append an alert and return it, or None if the episode already has one."""
        values = {
            "problem": problem,
            "severity": severity,
            "cause": cause,
            "text": text,
            "episode": episode,
            "details": details or {},
            "at": at,
        }
        same = (alerts.c.problem == problem) & (alerts.c.episode == episode)

        def append(connection: sa.Connection) -> Alert | None:
            if connection.execute(sa.select(alerts.c.id).where(same)).first() is not None:
                return None
            _insert(connection, alerts, values)
            return fetch(connection, sa.select(alerts).where(same), Alert)[0]

        return self.state.write(append)

    def recent(self, problem: str, limit: int = 100) -> list[Alert]:
        """Return the latest alerts, newest first."""
        query = sa.select(alerts).where(alerts.c.problem == problem)
        return self._select(query.order_by(alerts.c.at.desc(), alerts.c.id.desc()).limit(limit))

    def undelivered(self, problem: str) -> list[Alert]:
        """Return the alerts that have not reached people, oldest first."""
        waiting = (alerts.c.problem == problem) & alerts.c.delivered_at.is_(None)
        return self._select(sa.select(alerts).where(waiting).order_by(alerts.c.id))

    def delivered(self, alert: Alert, *, at: datetime) -> None:
        """Note that ``alert`` reached people."""
        change = sa.update(alerts).where(alerts.c.id == alert.id).values(delivered_at=at)
        self.state.write(lambda connection: connection.execute(change))

    def _select(self, query: sa.Select) -> list[Alert]:
        with self.state.read() as connection:
            return fetch(connection, query, Alert)


def _insert(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    query = sa.insert(table).values(values).returning(table.c.id)
    return connection.execute(query).scalar_one()
