"""One pass: requests are decoded, computed together, logged in one write, and remembered."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import msgspec

from bentos.predictor.log import Form, Logged, PredictionLog, log_lines, log_records
from bentos.predictor.names import random_names
from bentos.predictor.repeats import Repeats, fingerprint
from bentos.predictor.traffic import Asked, Beside, Contender, Told
from ml_assets.core.adjustment import Adjustment
from ml_assets.core.answering import Answers
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Predictor
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import BodyKind
from ml_assets.core.table_rows import TableRows

MICROSECOND = timedelta(microseconds=1)


# Structures are made several times as fast as dataclasses, and each request makes some.
class Request(msgspec.Struct, frozen=True):
    """What a caller sent.

    Attributes:
        body: The bytes of its body, all of them.
        kind: What they are.
        request_id: The caller's name for the request; None if it gave none.
    """

    body: bytes
    kind: BodyKind = "json"
    request_id: str | None = None


@dataclass(frozen=True)
class Loaded:
    """A release that has proven itself.

    Attributes:
        predictor: Answers.
        revision: Revision of the deployment that asked for it; 0 for the packed release.
        digest: Name of its files.
        since: When it began to serve.
        beside: The version that shares its traffic; None if it answers alone.
    """

    predictor: Predictor
    revision: int
    digest: str
    since: datetime
    beside: Beside | None = None

    @property
    def version(self) -> str:
        """Name of the version in the ledger."""
        return self.predictor.release.version

    @property
    def contender(self) -> Contender | None:
        """The version beside it; None if there is none, or it could not be loaded."""
        return None if self.beside is None else self.beside.contender

    @property
    def predictors(self) -> dict[str, Predictor]:
        """What the lane's thread may go on with, by digest: not the shadow's."""
        found = {self.digest: self.predictor}
        if self.contender is not None and self.contender.reusable:
            found[self.contender.digest] = self.contender.predictor
        return found

    @property
    def adjustment(self) -> Adjustment | None:
        """What is added to its answers; None if they are as it was released."""
        return None if self.predictor.assurer is None else self.predictor.assurer.adjustment

    def check(self, adjustment: Adjustment) -> None:
        """Refuse an adjustment that the release does not allow.

        Raises:
            ServingError: If it does not.
        """
        if self.predictor.assurer is None:
            message = f"Release {self.version} says nothing beside its predictions to adjust."
            raise ServingError(message)
        self.predictor.assurer.check(adjustment)


class Answered(msgspec.Struct, frozen=True):
    """A request that was answered, and is in the log.

    Attributes:
        request_id: Its name.
        version: Version that answered; None if its rows were answered by several.
        revision: Revision of the deployment.
        answers: What it was told.
        versions: Who answered each row, where several did.
    """

    request_id: str
    version: str | None
    revision: int
    answers: Answers
    versions: tuple[str, ...] | None = None

    @property
    def rows_by_version(self) -> dict[str, int]:
        """How many rows each version answered."""
        if self.version is not None:
            return {self.version: len(self.answers.predictions)}
        return Counter(self.versions)


@dataclass(frozen=True)
class Conflict:
    """A request that bears the name of another one."""

    request_id: str


Outcome = Answered | Refused | Conflict


class _Named(msgspec.Struct, frozen=True, eq=False):
    """A request with its name, and its fingerprint if the caller chose the name."""

    request: Request
    request_id: str
    asked: bytes | None


class Passes:
    """Answers requests for whatever release is loaded. For one thread at a time.

    Args:
        spool: Folder of all problems' logs.
        problem: Name of the problem.
    """

    def __init__(self, spool: Path, problem: str) -> None:
        self._log = PredictionLog(spool, problem)
        self._repeats: Repeats[Answered] = Repeats()
        self._names = random_names()
        self._now = datetime.min.replace(tzinfo=UTC)

    def answer(self, loaded: Loaded, requests: Sequence[Request]) -> list[Outcome]:
        """Return the outcome of each request, as if they came one after the other.

        Raises:
            ServingError: If the answers cannot be logged; none of them may be given then.
        """
        named = [self._named(request) for request in requests]
        return [
            outcome for some in _without_repeats(named) for outcome in self._together(loaded, some)
        ]

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _together(self, loaded: Loaded, requests: Sequence[_Named]) -> list[Outcome]:
        at = self._tick()
        decoded = [
            self._known(request) or self._decoded(loaded, request.request) for request in requests
        ]
        sound = [
            (request, rows)
            for request, rows in zip(requests, decoded, strict=True)
            if isinstance(rows, RequestRows)
        ]
        computed = _computed(loaded, sound, at) if sound else Computed([])
        if computed.logged:
            self._log.append(computed.logged, version=loaded.version, at=at, form=computed.form)
        answered = iter(computed.outcomes)
        outcomes = [next(answered) if isinstance(one, RequestRows) else one for one in decoded]
        self._remember(requests, outcomes)
        return outcomes

    def _remember(self, requests: Sequence[_Named], outcomes: Sequence[Outcome]) -> None:
        for request, outcome in zip(requests, outcomes, strict=True):
            if request.asked is not None and isinstance(outcome, Answered):
                rows = len(outcome.answers.predictions)
                self._repeats.remember(request.request_id, request.asked, outcome, rows=rows)

    def _named(self, request: Request) -> _Named:
        if request.request_id is None:
            return _Named(request, next(self._names), None)
        return _Named(request, request.request_id, fingerprint(request.kind, request.body))

    def _known(self, request: _Named) -> Outcome | None:
        if request.asked is None or request.request_id not in self._repeats:
            return None
        answer = self._repeats.answer(request.request_id, request.asked)
        return answer or Conflict(request.request_id)

    def _decoded(self, loaded: Loaded, request: Request) -> RequestRows | Refused:
        return loaded.predictor.decode(request.body, now=self._tick(), kind=request.kind)

    def _tick(self) -> datetime:
        """Return the time, later each time: rows without a time happen as they came."""
        self._now = max(datetime.now(UTC), self._now + MICROSECOND)
        return self._now


@dataclass(frozen=True)
class Computed:
    """What became of the sound requests of a pass.

    Attributes:
        outcomes: One a request.
        logged: What is to be in the log before anybody is told.
        form: Of what is logged.
    """

    outcomes: list[Answered | Refused]
    logged: bytes = b""
    form: Form = "jsonl"


def _computed(
    loaded: Loaded, sound: Sequence[tuple[_Named, RequestRows]], at: datetime
) -> Computed:
    """Let the champion answer, and the version beside it take its part."""
    began = perf_counter()
    found = loaded.predictor.predict_all([rows for _, rows in sound])
    seconds = perf_counter() - began
    contender = loaded.contender
    if contender is None:
        return _alone(loaded, sound, found, at)
    computed = [
        answers if isinstance(answers, Refused) else _asked(request, rows, answers)
        for (request, rows), answers in zip(sound, found, strict=True)
    ]
    accepted = [one for one in computed if isinstance(one, Asked)]
    told = contender.tell(accepted, seconds=seconds, at=at) if accepted else []
    spoken = iter(told)
    outcomes = [
        _told(one.request_id, loaded.revision, next(spoken)) if isinstance(one, Asked) else one
        for one in computed
    ]
    return Computed(outcomes, b"".join(one.lines for one in told))


def _alone(
    loaded: Loaded,
    sound: Sequence[tuple[_Named, RequestRows]],
    found: Sequence[Answers | Refused],
    at: datetime,
) -> Computed:
    version, revision = loaded.version, loaded.revision
    outcomes = [
        answers
        if isinstance(answers, Refused)
        else Answered(request.request_id, version, revision, answers)
        for (request, _), answers in zip(sound, found, strict=True)
    ]
    spoken = [
        Logged(request.request_id, rows, answers)
        for (request, rows), answers in zip(sound, found, strict=True)
        if not isinstance(answers, Refused)
    ]
    # One form for the whole pass: the order of its requests must not be lost.
    if any(isinstance(rows, TableRows) for _, rows in sound):
        kinds = loaded.predictor.schema.kinds
        logged = log_records(spoken, kinds=kinds, version=version, revision=revision, at=at)
        return Computed(outcomes, logged, "records")
    return Computed(outcomes, log_lines(spoken, version=version, revision=revision, at=at))


def _asked(request: _Named, rows: RequestRows, answers: Answers) -> Asked:
    sent = request.request
    return Asked(request.request_id, sent.body, sent.kind, rows, answers)


def _told(request_id: str, revision: int, told: Told) -> Answered:
    if len(set(told.versions)) == 1:
        return Answered(request_id, told.versions[0], revision, told.answers)
    return Answered(request_id, None, revision, told.answers, told.versions)


def _without_repeats(requests: Sequence[_Named]) -> Iterator[list[_Named]]:
    """Split where a name comes again: the second one gets the answer to the first."""
    names: set[str] = set()
    together: list[_Named] = []
    for request in requests:
        if request.request_id in names:
            yield together
            names, together = set(), []
        names.add(request.request_id)
        together.append(request)
    yield together
