"""One pass: requests are decoded, computed together, logged in one write, and remembered."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from time import perf_counter

from bentos.predictor.log import PredictionLog, log_lines
from bentos.predictor.repeats import Repeats, fingerprint
from bentos.predictor.traffic import Asked, Beside, Told
from ml_assets.core.adjustment import Adjustment
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Answers, Predictor
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import BodyKind

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Request:
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


@dataclass(frozen=True)
class Answered:
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


@dataclass(frozen=True, eq=False)
class _Named:
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
        self._now = datetime.min.replace(tzinfo=UTC)

    def answer(self, loaded: Loaded, requests: Sequence[Request]) -> list[Outcome]:
        """Return the outcome of each request, as if they came one after the other.

        Raises:
            ServingError: If the answers cannot be logged; none of them may be given then.
        """
        named = [_named(request) for request in requests]
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
        told = iter(_computed(loaded, sound, at) if sound else ())
        found = [next(told) if isinstance(one, RequestRows) else one for one in decoded]
        lines = b"".join(one.lines for one in found if isinstance(one, Told))
        if lines:
            self._log.append(lines, version=loaded.version, at=at)
        outcomes = [
            _answered(request.request_id, loaded.revision, one) if isinstance(one, Told) else one
            for request, one in zip(requests, found, strict=True)
        ]
        self._remember(requests, outcomes)
        return outcomes

    def _remember(self, requests: Sequence[_Named], outcomes: Sequence[Outcome]) -> None:
        for request, outcome in zip(requests, outcomes, strict=True):
            if request.asked is not None and isinstance(outcome, Answered):
                rows = len(outcome.answers.predictions)
                self._repeats.remember(request.request_id, request.asked, outcome, rows=rows)

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


def _computed(
    loaded: Loaded, sound: Sequence[tuple[_Named, RequestRows]], at: datetime
) -> list[Told | Refused]:
    """Return what each request is told, by the champion or by the two versions."""
    began = perf_counter()
    found = loaded.predictor.predict_all([rows for _, rows in sound])
    seconds = perf_counter() - began
    pairs = zip(sound, found, strict=True)
    contender = None if loaded.beside is None else loaded.beside.contender
    if contender is None:
        return [
            answers
            if isinstance(answers, Refused)
            else _alone(loaded, request.request_id, rows, answers, at)
            for (request, rows), answers in pairs
        ]
    computed = [
        answers if isinstance(answers, Refused) else _asked(request, rows, answers)
        for (request, rows), answers in pairs
    ]
    accepted = [one for one in computed if isinstance(one, Asked)]
    told = iter(contender.tell(accepted, seconds=seconds, at=at) if accepted else ())
    return [next(told) if isinstance(one, Asked) else one for one in computed]


def _asked(request: _Named, rows: RequestRows, answers: Answers) -> Asked:
    sent = request.request
    return Asked(request.request_id, sent.body, sent.kind, rows, answers)


def _alone(
    loaded: Loaded, request_id: str, rows: RequestRows, answers: Answers, at: datetime
) -> Told:
    lines = log_lines(
        rows,
        answers,
        request_id=request_id,
        version=loaded.version,
        revision=loaded.revision,
        at=at,
    )
    return Told(answers, (loaded.version,) * len(rows), lines)


def _answered(request_id: str, revision: int, told: Told) -> Answered:
    if len(set(told.versions)) == 1:
        return Answered(request_id, told.versions[0], revision, told.answers)
    return Answered(request_id, None, revision, told.answers, told.versions)


def _named(request: Request) -> _Named:
    if request.request_id is None:
        return _Named(request, token_hex(16), None)
    return _Named(request, request.request_id, fingerprint(request.kind, request.body))


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
