"""The release that answers now, and how it is exchanged while requests go on.

All answers are computed in one worker thread. Features and model are one state (the history grows
with each request), so requests must take turns; and a model that computes for a few milliseconds
must not keep the event loop from saying that the process is alive.
"""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from bentos.predictor.log import PredictionLog, log_lines
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Answers, Predictor
from ml_assets.core.request_schema import Refused


@dataclass(frozen=True)
class Loaded:
    """A release that has proven itself.

    Attributes:
        predictor: Answers.
        revision: Revision of the deployment that asked for it; 0 for the packed release.
        digest: Name of its files.
        since: When it began to serve.
    """

    predictor: Predictor
    revision: int
    digest: str
    since: datetime

    @property
    def version(self) -> str:
        """Name of the version in the ledger."""
        return self.predictor.release.version


@dataclass(frozen=True)
class Answered:
    """A request that was answered, and is in the log."""

    request_id: str
    answers: Answers
    loaded: Loaded


class Serving:
    """Holds the one release that answers.

    Args:
        spool: Folder of the prediction log.
    """

    def __init__(self, spool: Path) -> None:
        self.error: str | None = None
        self._spool = spool
        self._loaded: Loaded | None = None
        self._log: PredictionLog | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predictor")

    @property
    def loaded(self) -> Loaded | None:
        """The release that answers; None until one has proven itself."""
        return self._loaded

    def submit(self, body: bytes, *, request_id: str | None) -> "Future[Answered | Refused]":
        """Queue a request for the worker thread."""
        return self._worker.submit(self._answer, body, request_id or uuid4().hex)

    def serve(
        self,
        files: Mapping[str, bytes],
        *,
        digest: str,
        revision: int,
        problem: str | None = None,
    ) -> None:
        """Load a release, ask its golden rows, and let it answer from the next request on.

        The old release answers until the new one is ready, and stays if the new one fails.

        Args:
            files: Content of the release's files.
            digest: What the release must be called.
            revision: Revision of the deployment that asks for it.
            problem: Problem it must be for; by default the one that is served.

        Raises:
            MLAssetsError: If the release is not what was stored, is for another problem or an
                older revision, or does not answer as it must.
        """
        self._check_revision(revision)
        predictor = Predictor(files, digest=digest)
        self._check_problem(predictor.release.problem, problem)
        predictor.prove()
        loaded = Loaded(predictor, revision, digest, datetime.now(UTC))
        # Between two requests: no request sees a part of the exchange, and no row is lost.
        self._worker.submit(self._exchange, loaded).result()

    def status(self) -> dict[str, Any]:
        """Return what ``GET /release`` says."""
        loaded = self._loaded
        if loaded is None:
            return {"ready": False, "error": self.error}
        return {
            "ready": True,
            "problem": loaded.predictor.release.problem,
            "version": loaded.version,
            "revision": loaded.revision,
            "digest": loaded.digest,
            "since": loaded.since.isoformat(),
            "error": self.error,
        }

    def close(self) -> None:
        """Answer what is queued, then free everything."""
        self._worker.shutdown(wait=True)
        if self._log is not None:
            self._log.close()

    def _check_revision(self, revision: int) -> None:
        if self._loaded is not None and revision <= self._loaded.revision:
            message = (
                f"Revision {revision} is not newer than revision {self._loaded.revision}, which "
                "serves. A rollback is a new revision too."
            )
            raise ServingError(message)

    def _check_problem(self, found: str, asked: str | None) -> None:
        served = None if self._loaded is None else self._loaded.predictor.release.problem
        for expected in (asked, served):
            if expected is not None and found != expected:
                message = f"The release is for problem {found!r}, not for {expected!r}."
                raise ServingError(message)

    def _exchange(self, loaded: Loaded) -> None:
        older = self._loaded
        if older is None:
            self._log = PredictionLog(self._spool, loaded.predictor.release.problem)
        else:
            loaded.predictor.adopt(older.predictor)
        self._loaded = loaded
        if older is not None:
            older.predictor.close()

    def _answer(self, body: bytes, request_id: str) -> Answered | Refused:
        loaded, log = self._loaded, self._log
        if loaded is None or log is None:
            message = "No release is loaded yet."
            raise ServingError(message)
        now = datetime.now(UTC)
        rows = loaded.predictor.decode(body, now=now)
        if isinstance(rows, Refused):
            return rows
        answers = loaded.predictor.predict(rows)
        if isinstance(answers, Refused):
            return answers
        named = {"version": loaded.version, "at": now}
        lines = log_lines(rows, answers, request_id=request_id, revision=loaded.revision, **named)
        log.append(lines, **named)
        return Answered(request_id, answers, loaded)


def refusal(refused: Refused) -> dict[str, Any]:
    """Return the body of a refused request."""
    return {
        "error": refused.faults[0].message,
        "faults": [asdict(fault) for fault in refused.faults],
    }
