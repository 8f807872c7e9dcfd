"""The release that answers now, and how it is exchanged while requests go on.

Features and model are one state (the history grows with each request), so requests take turns:
one pass is computed at a time. A pass of more than a few milliseconds is computed in a worker
thread, for it must not keep the event loop from saying that the process is alive.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bentos.predictor.lane import Lane
from bentos.predictor.passes import Loaded, Outcome, Passes, Request
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Predictor

# Requests that wait or are computed. A single row takes well under a millisecond: more than these
# would wait longer than a caller does.
CAPACITY = 1024
# Bytes of the bodies of one pass: what is small shares a pass, and nothing waits for many others.
PASS_BYTES = 1 << 20
# Bytes of the bodies of a pass that the event loop computes itself: some hundred rows.
SHORT_BYTES = 1 << 15


class Serving:
    """Holds the one release that answers.

    Args:
        spool: Folder of the prediction log.
        capacity: Requests that may wait; more are turned away.
    """

    def __init__(self, spool: Path, *, capacity: int = CAPACITY) -> None:
        self.error: str | None = None
        self._spool = spool
        self._loaded: Loaded | None = None
        self._passes: Passes | None = None
        self.lane: Lane[Request, Outcome] = Lane(
            self._answer, capacity=capacity, pass_size=PASS_BYTES, short_size=SHORT_BYTES
        )

    @property
    def loaded(self) -> Loaded | None:
        """The release that answers; None until one has proven itself."""
        return self._loaded

    async def submit(self, request: Request) -> Outcome:
        """Return the outcome of a request; an answer is in the log by then.

        Raises:
            Unavailable: If too many requests wait, or the server is stopping.
            ServingError: If the answer cannot be logged, or no release is loaded.
        """
        return await self.lane.ask(request, size=len(request.body))

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
        # Between two passes: no request sees a part of the exchange, and no row is lost.
        self.lane.between_passes(lambda: self._exchange(loaded))

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
        self.lane.close()
        if self._passes is not None:
            self._passes.close()
        if self._loaded is not None:
            self._loaded.predictor.close()

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
            self._passes = Passes(self._spool, loaded.predictor.release.problem)
        else:
            loaded.predictor.adopt(older.predictor)
        self._loaded = loaded
        if older is not None:
            older.predictor.close()

    def _answer(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        if self._loaded is None or self._passes is None:
            message = "No release is loaded yet."
            raise ServingError(message)
        return self._passes.answer(self._loaded, requests)
