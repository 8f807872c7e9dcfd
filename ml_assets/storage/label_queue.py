"""The labelling queue: production rows that people are asked to label."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import label_queue


@dataclass(frozen=True)
class LabelRequest:
    """One row to be labelled.

    Attributes:
        problem: Name of the problem.
        identity: Name of the row, made of its keys and event time; it is asked for once.
        strategy: Query strategy that chose it, such as "random_audit".
        propensity: Probability with which the strategy chose it, which unbiased estimates need.
        details: The row's features and prediction, as JSON values.
        at: When it was chosen.
        answer: The label, None while it is open.
        answered_at: When the label came.
    """

    problem: str
    identity: str
    strategy: str
    propensity: float
    details: Mapping[str, Any]
    at: datetime
    answer: str | None = None
    answered_at: datetime | None = None


class LabelQueue:
    """The labelling queues of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def ask(self, requests: Iterable[LabelRequest]) -> int:
        """Add the rows that were not asked for before, and return how many they are."""
        wanted = list(requests)

        def add(connection: sa.Connection) -> int:
            added = 0
            for request in wanted:
                if connection.execute(sa.select(label_queue.c.id).where(_is(request))).first():
                    continue
                connection.execute(sa.insert(label_queue).values(_values(request)))
                added += 1
            return added

        return self.state.write(add)

    def waiting(self, problem: str, limit: int | None = None) -> list[LabelRequest]:
        """Return the open requests of ``problem``, oldest first."""
        return self._select(problem, label_queue.c.answered_at.is_(None), limit)

    def answered(self, problem: str) -> list[LabelRequest]:
        """Return the requests of ``problem`` that have a label, oldest first."""
        return self._select(problem, label_queue.c.answered_at.is_not(None), None)

    def answer(self, request: LabelRequest, label: str, *, at: datetime) -> bool:
        """Store the label of an open request, and say whether it was still open."""
        change = (
            sa.update(label_queue)
            .where(_is(request), label_queue.c.answered_at.is_(None))
            .values(answer=label, answered_at=at)
        )
        return self.state.write(lambda connection: connection.execute(change).rowcount == 1)

    def _select(
        self, problem: str, condition: sa.ColumnElement[bool], limit: int | None
    ) -> list[LabelRequest]:
        columns = [label_queue.c[name] for name in LabelRequest.__dataclass_fields__]
        query = sa.select(*columns).where(label_queue.c.problem == problem, condition)
        with self.state.read() as connection:
            ordered = query.order_by(label_queue.c.id).limit(limit)
            return fetch(connection, ordered, LabelRequest)


def _is(request: LabelRequest) -> sa.ColumnElement[bool]:
    return (label_queue.c.problem == request.problem) & (label_queue.c.identity == request.identity)


def _values(request: LabelRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in LabelRequest.__dataclass_fields__}
