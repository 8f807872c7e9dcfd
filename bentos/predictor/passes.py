"""One pass: requests are decoded, computed together, logged in one write, and remembered."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from time import perf_counter

from bentos.predictor.log import PredictionLog, log_lines
from bentos.predictor.repeats import Repeats, fingerprint
from bentos.predictor.traffic import Asked, Beside, Contender, Told
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
        outcomes = [
            self._known(request) or self._decoded(loaded, request.request) for request in requests
        ]
        asked = [rows for rows in outcomes if isinstance(rows, RequestRows)]
        began = perf_counter()
        found = iter(loaded.predictor.predict_all(asked) if asked else ())
        if loaded.beside is not None and loaded.beside.contender is not None:
            seconds = perf_counter() - began
            pairs = zip(requests, outcomes, strict=True)
            found = _shared(loaded.beside.contender, pairs, found, seconds, at)
        lines: list[bytes] = []
        done: list[Outcome] = []
        for request, outcome in zip(requests, outcomes, strict=True):
            if not isinstance(outcome, RequestRows):
                done.append(outcome)
                continue
            answers = next(found)
            if isinstance(answers, Refused):
                done.append(answers)
                continue
            if isinstance(answers, Told):
                lines.append(answers.lines)
                done.append(_told(request.request_id, loaded.revision, answers))
                continue
            answered = Answered(request.request_id, loaded.version, loaded.revision, answers)
            lines.append(
                log_lines(
                    outcome,
                    answers,
                    request_id=request.request_id,
                    version=loaded.version,
                    revision=loaded.revision,
                    at=at,
                )
            )
            done.append(answered)
        if lines:
            self._log.append(b"".join(lines), version=loaded.version, at=at)
        for request, outcome in zip(requests, done, strict=True):
            if request.asked is not None and isinstance(outcome, Answered):
                self._repeats.remember(
                    request.request_id,
                    request.asked,
                    outcome,
                    rows=len(outcome.answers.predictions),
                )
        return done

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


def _shared(
    contender: Contender,
    decoded: Iterable[tuple[_Named, Outcome | RequestRows]],
    found: Iterator[Answers | Refused],
    seconds: float,
    at: datetime,
) -> Iterator[Told | Refused]:
    """Let the contender take its part of what the champion has computed."""
    accepted: list[Asked] = []
    computed: list[Asked | Refused] = []
    for request, rows in decoded:
        if not isinstance(rows, RequestRows):
            continue
        answers = next(found)
        if isinstance(answers, Refused):
            computed.append(answers)
            continue
        sent = request.request
        accepted.append(Asked(request.request_id, sent.body, sent.kind, rows, answers))
        computed.append(accepted[-1])
    told = iter(contender.tell(accepted, seconds=seconds, at=at) if accepted else ())
    return (one if isinstance(one, Refused) else next(told) for one in computed)


def _told(request_id: str, revision: int, told: Told) -> Answered:
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
