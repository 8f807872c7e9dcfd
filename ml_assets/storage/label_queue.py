"""The labelling queue: production rows that people are asked to label."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ml_assets.core.labelling import Strategy
from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import label_queue

AUDIT: Strategy = "random_audit"
SOURCE = "the label source"  # who answered, where the declared labels came before anyone did


@dataclass(frozen=True)
class LabelRequest:
    """One row to be labelled.

    Attributes:
        problem: Name of the problem.
        identity: Name of the row, made of its keys and event time; it is asked for once.
        request_id: The request that asked for a prediction.
        row: Its position in that request.
        event_time: When it happened.
        strategy: Query strategy that chose it, such as "random_audit".
        propensity: Probability with which the strategy chose it, which unbiased estimates need.
        why: The same in words.
        details: The row's inputs and prediction, as JSON values.
        at: When it was chosen.
        id: Its number in the queue; None before it is asked for.
        skips: How often it was skipped.
        answer: The label as text, None while it is open.
        answered_at: When the label came.
        answered_by: Who gave it.
        taken_at: When it became ground truth: since then it stays.
    """

    problem: str
    identity: str
    request_id: str
    row: int
    event_time: datetime
    strategy: Strategy
    propensity: float
    why: str
    details: Mapping[str, Any]
    at: datetime
    id: int | None = None
    skips: int = 0
    answer: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    taken_at: datetime | None = None


@dataclass(frozen=True)
class Audit:
    """A row that was drawn at random, with the probability of the draw."""

    request_id: str
    row: int
    propensity: float


@dataclass(frozen=True)
class Answer:
    """A label for an open request."""

    id: int
    label: str


class LabelQueue:
    """The labelling queues of all problems in one state database."""

    def __init__(self, state: State) -> None:
        self.state = state

    def ask(self, requests: Iterable[LabelRequest]) -> int:
        """Add the rows that were not asked for before, and return how many they are.

        A row that was asked for another reason, and is now drawn at random, joins the audit.
        """
        wanted = list(requests)

        def add(connection: sa.Connection) -> int:
            added = 0
            for request in wanted:
                same = _is(request)
                known = connection.execute(sa.select(label_queue.c.strategy).where(same)).first()
                if known is None:
                    connection.execute(sa.insert(label_queue).values(_values(request)))
                    added += 1
                elif request.strategy == AUDIT != known.strategy:
                    drawn = {name: getattr(request, name) for name in _DRAW}
                    connection.execute(sa.update(label_queue).where(same).values(drawn))
            return added

        return self.state.write(add)

    def waiting(self, problem: str, limit: int | None = None) -> list[LabelRequest]:
        """Return the open requests of ``problem``: those never skipped first, then the oldest."""
        return self._select(problem, _OPEN, limit)

    def count_waiting(self, problem: str) -> int:
        """Return how many requests of ``problem`` are open."""
        query = sa.select(sa.func.count()).where(label_queue.c.problem == problem, _OPEN)
        with self.state.read() as connection:
            return connection.execute(query).scalar_one()

    def answered(self, problem: str) -> list[LabelRequest]:
        """Return the requests of ``problem`` that have a label, oldest first."""
        return self._select(problem, ~_OPEN, None)

    def newest_answer(self, problem: str) -> datetime | None:
        """Return when the newest answer came that is not ground truth yet; None if all are."""
        query = sa.select(sa.func.max(label_queue.c.answered_at)).where(
            label_queue.c.problem == problem, ~_OPEN, label_queue.c.taken_at.is_(None)
        )
        with self.state.read() as connection:
            return connection.execute(query).scalar_one()

    def asked_between(self, problem: str, start: datetime, end: datetime) -> set[tuple[str, int]]:
        """Return the request and position of rows of a stretch of event time, asked for before."""
        query = sa.select(label_queue.c.request_id, label_queue.c.row).where(
            label_queue.c.problem == problem,
            label_queue.c.event_time >= start,
            label_queue.c.event_time < end,
        )
        with self.state.read() as connection:
            return {(found.request_id, found.row) for found in connection.execute(query)}

    def audits(self, problem: str) -> list[Audit]:
        """Return all rows of ``problem`` that were drawn at random."""
        columns = [label_queue.c[name] for name in Audit.__dataclass_fields__]
        query = sa.select(*columns).where(
            label_queue.c.problem == problem, label_queue.c.strategy == AUDIT
        )
        with self.state.read() as connection:
            return fetch(connection, query, Audit)

    def answer(self, answers: Iterable[Answer], *, by: str, at: datetime) -> int:
        """Store labels of open requests, and return how many of them were still open."""
        given = list(answers)

        def store(connection: sa.Connection) -> int:
            return sum(
                connection.execute(
                    sa.update(label_queue)
                    .where(label_queue.c.id == one.id, _OPEN)
                    .values(answer=one.label, answered_at=at, answered_by=by)
                ).rowcount
                for one in given
            )

        return self.state.write(store)

    def close_by_source(self, answers: Mapping[int, tuple[str, datetime]]) -> int:
        """Close open requests whose declared label has come, and return how many they were.

        Args:
            answers: Number of the request -> its label as text, and when it was known.
        """

        def close(connection: sa.Connection) -> int:
            return sum(
                connection.execute(
                    sa.update(label_queue)
                    .where(label_queue.c.id == number, _OPEN)
                    .values(answer=label, answered_at=at, answered_by=SOURCE, taken_at=at)
                ).rowcount
                for number, (label, at) in answers.items()
            )

        return self.state.write(close)

    def skip(self, number: int) -> None:
        """Let an open request come last."""
        later = sa.update(label_queue).where(label_queue.c.id == number, _OPEN)
        change = later.values(skips=label_queue.c.skips + 1)
        self.state.write(lambda connection: connection.execute(change))

    def undo(self, number: int) -> bool:
        """Take an answer back, and say whether that was possible: it is not ground truth yet."""
        change = (
            sa.update(label_queue)
            .where(label_queue.c.id == number, ~_OPEN, label_queue.c.taken_at.is_(None))
            .values(answer=None, answered_at=None, answered_by=None)
        )
        return self.state.write(lambda connection: connection.execute(change).rowcount == 1)

    def take(self, problem: str, *, at: datetime) -> list[LabelRequest]:
        """Return what people answered, all of it; from now on it can not be taken back."""
        by_people = (label_queue.c.problem == problem) & (label_queue.c.answered_by != SOURCE)
        new = by_people & label_queue.c.taken_at.is_(None)
        change = sa.update(label_queue).where(new).values(taken_at=at)
        self.state.write(lambda connection: connection.execute(change))
        return self._select(problem, label_queue.c.answered_by != SOURCE, None)

    def _select(
        self, problem: str, condition: sa.ColumnElement[bool], limit: int | None
    ) -> list[LabelRequest]:
        columns = [label_queue.c[name] for name in LabelRequest.__dataclass_fields__]
        query = sa.select(*columns).where(label_queue.c.problem == problem, condition)
        with self.state.read() as connection:
            ordered = query.order_by(label_queue.c.skips, label_queue.c.id).limit(limit)
            return fetch(connection, ordered, LabelRequest)


_OPEN = label_queue.c.answered_at.is_(None)
_DRAW = ("strategy", "propensity", "why")


def _is(request: LabelRequest) -> sa.ColumnElement[bool]:
    return (label_queue.c.problem == request.problem) & (label_queue.c.identity == request.identity)


def _values(request: LabelRequest) -> dict[str, Any]:
    names = LabelRequest.__dataclass_fields__
    return {name: getattr(request, name) for name in names if name != "id"}
