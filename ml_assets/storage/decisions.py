"""Why the system acted, or did not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import decisions


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
        return self.state.write(lambda connection: _insert(connection, values))

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


def _insert(connection: sa.Connection, values: Mapping[str, Any]) -> int:
    query = sa.insert(decisions).values(values).returning(decisions.c.id)
    return connection.execute(query).scalar_one()
