"""A version beside the champion: what it is, and the requests that both are asked.

The champion decodes every request, decides whether it is refused, and computes it. So there is an
answer wherever the other version has none, and either version can take over with no row missing
from its history.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bentos.predictor.structured_log import EVENT, where
from bentos.predictor.tally import Tally
from bentos.predictor.warm_start import WarmStart
from ml_assets.core.answering import Answers
from ml_assets.core.deployment import DeployedVersion, Deployment
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Predictor
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import BodyKind
from ml_assets.core.routing import Variant, routing_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Asked:
    """A request that the champion has computed.

    Attributes:
        request_id: Name of the request.
        body: What was sent.
        kind: What the bytes are.
        rows: Its rows, as the champion decoded them.
        answers: What the champion says of them.
    """

    request_id: str
    body: bytes
    kind: BodyKind
    rows: RequestRows
    answers: Answers


@dataclass(frozen=True, eq=False)
class Told:
    """What the caller of such a request is told, and what the log is.

    Attributes:
        answers: One answer a row; the features are the champion's.
        versions: Who answered each row.
        lines: Lines of the log.
    """

    answers: Answers
    versions: tuple[str, ...]
    lines: bytes


@dataclass(frozen=True)
class Failure:
    """A request that a version could not answer, though the champion could.

    Attributes:
        error: Kind of the failure; never its text, which may hold values.
    """

    error: str


class Contender(Protocol):
    """The version beside the champion, ready to answer."""

    @property
    def version(self) -> str:
        """Name of the version in the ledger."""

    @property
    def digest(self) -> str:
        """Name of its files."""

    @property
    def variant(self) -> Variant:
        """Whether it is heard."""

    @property
    def predictor(self) -> Predictor:
        """Answers."""

    @property
    def memory(self) -> WarmStart:
        """Fills the predictor's memory from the log."""

    @property
    def reusable(self) -> bool:
        """Whether the thread that computes passes may go on with the predictor."""

    def start(self) -> None:
        """Answer from now on."""

    def close(self, *, kept: Collection[Predictor], wait: bool) -> None:
        """Answer what waits, then free everything.

        Args:
            kept: Predictors that go on in another part.
            wait: Whether to return only then, or after a few seconds.
        """

    def tell(self, asked: Sequence[Asked], *, seconds: float, at: datetime) -> list[Told]:
        """Return what is told of each request of a pass; called between no two passes' exchange.

        Args:
            asked: Requests that the champion has computed.
            seconds: Time that it took.
            at: When it answered.
        """


@dataclass(frozen=True, eq=False)
class Beside:
    """What the deployment asks for beside the champion, and what became of it.

    Attributes:
        deployment: Names the version.
        contender: Answers; None if it could not be loaded, and the champion answers everything.
        error: Why it could not be loaded.
    """

    deployment: Deployment
    contender: Contender | None
    error: str | None = None

    def status(self) -> dict[str, Any]:
        """Return what ``GET /release`` says of it."""
        deployment = self.deployment
        named = contender_of(deployment)
        return {
            "mode": deployment.mode,
            "version": named.version,
            "digest": named.digest,
            "share": deployment.share,
            "experiment": deployment.experiment,
            "routing_key": list(deployment.routing_key),
            "takes_part": self.contender is not None,
            "error": self.error,
        }

    def sentence(self) -> str:
        """Return the same for a person."""
        version = contender_of(self.deployment).version
        if self.contender is None:
            return (
                f"Version {version} should take part and cannot be loaded: GET /release says why."
            )
        if self.contender.variant == "shadow":
            return f"Version {version} answers in the shadow: nobody hears it."
        share = f"{100 * self.deployment.share:g} %"
        return f"Version {version} answers {share} of the keys ({self.deployment.mode})."


def contender_of(deployment: Deployment) -> DeployedVersion:
    """Return the version beside the champion.

    Raises:
        ServingError: If the deployment names none.
    """
    if deployment.contender is None:
        message = f"Revision {deployment.revision} names no version beside the champion."
        raise ServingError(message)
    return deployment.contender


def check_comparable(champion: Predictor, contender: Predictor, deployment: Deployment) -> None:
    """Refuse a contender whose answers cannot stand beside the champion's.

    Raises:
        ServingError: If it predicts something else, or the rows cannot be routed.
    """
    ours, theirs = champion.release, contender.release
    for what, expected, found in (
        ("problem", ours.problem, theirs.problem),
        ("task", ours.task, theirs.task),
        ("classes", sorted(map(str, ours.classes)), sorted(map(str, theirs.classes))),
    ):
        if expected != found:
            message = (
                f"The {what} of version {theirs.version} is {found!r}, of the champion "
                f"{expected!r}: they cannot share traffic."
            )
            raise ServingError(message)
    known = [column.name for column in champion.schema.columns]
    unknown = [name for name in deployment.routing_key if name not in known]
    if unknown:
        message = f"Rows cannot be routed by {unknown}: a request has the columns {known}."
        raise ServingError(message)


class Roles:
    """What the two versions of a deployment have in common for each request.

    Args:
        deployment: Names both.
        champion: Has computed the requests.
        predictor: Of the other version.
        tally: Counts what they do.
    """

    def __init__(
        self, deployment: Deployment, champion: Predictor, predictor: Predictor, tally: Tally
    ) -> None:
        self.deployment = deployment
        self.champion = champion
        self.predictor = predictor
        self.tally = tally
        self.columns, self.keys = deployment.routing_key, champion.release.keys
        self._same_schema = predictor.schema == champion.schema
        self._told: set[str] = set()

    def routing_keys(self, asked: Asked) -> list[str]:
        """Return what each row is routed by."""
        rows = asked.rows
        return [
            routing_key(
                rows.row(n), columns=self.columns, keys=self.keys, request_id=asked.request_id
            )
            for n in range(len(rows))
        ]

    def rows_for_contender(self, asked: Asked) -> RequestRows | Refused:
        """Return a request's rows as the other version reads them: its contract may differ."""
        if self._same_schema:
            return asked.rows
        times = asked.rows.event_times
        rows = self.predictor.decode(asked.body, now=times[0], kind=asked.kind)
        return rows if isinstance(rows, Refused) else rows.happened_at(times)

    def attempt(self, asked: Sequence[Asked]) -> list[Answers | Failure]:
        """Ask the other version; what it raises for one request fails no other."""
        decoded = [self.rows_for_contender(one) for one in asked]
        found = iter(self._predicted([one for one in decoded if isinstance(one, RequestRows)]))
        return [
            next(found) if isinstance(one, RequestRows) else Failure(Refused.__name__)
            for one in decoded
        ]

    def learn(self, asked: Sequence[Asked]) -> None:
        """Let the other version see rows that it is not asked about."""
        features = self.predictor.features
        if not features.reach.rows or not asked:
            return  # it looks back on nothing
        rows = [one for one in map(self.rows_for_contender, asked) if isinstance(one, RequestRows)]
        try:
            # Computing keeps exactly the rows that would be kept if it had answered.
            features.compute(rows, lambda found: found.outcomes, remember=True)
        except Exception as error:  # whatever it is, the champion has answered
            self.complain(error)

    def complain(self, error: Exception) -> None:
        """Say once for each kind of failure where it came from."""
        kind = type(error).__name__
        if kind not in self._told:
            self._told.add(kind)
            event = {
                "version": self.predictor.release.version,
                "failure": kind,
                "where": where(error.__traceback__),
            }
            logger.error("The version beside the champion fails.", extra={EVENT: event})

    def _predicted(self, requests: Sequence[RequestRows]) -> list[Answers | Failure]:
        if not requests:
            return []
        try:
            found = self.predictor.predict_all(requests)
        except Exception as error:  # whatever it is, the champion has answered
            self.complain(error)
            if len(requests) > 1:
                return [answer for one in requests for answer in self._predicted([one])]
            return [Failure(type(error).__name__)]
        return [Failure(Refused.__name__) if isinstance(one, Refused) else one for one in found]
