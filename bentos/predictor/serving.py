"""The releases that answer now, and how they are exchanged while requests go on.

Champion, the version beside it, routing and revision are one value, exchanged at once.

Features and model are one state (the history grows with each request), so requests take turns:
one pass is computed at a time. A pass of more than a few milliseconds is computed in a worker
thread, for it must not keep the event loop from saying that the process is alive.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bentos.predictor.lane import Lane, Unavailable
from bentos.predictor.passes import Loaded, Outcome, Passes, Request
from bentos.predictor.shadow import Shadow
from bentos.predictor.split import Split
from bentos.predictor.tally import Tally
from bentos.predictor.traffic import Beside, Contender, check_comparable, contender_of
from bentos.predictor.warm_start import WarmStart
from ml_assets.core.adjustment import Adjustment
from ml_assets.core.deployment import Deployment
from ml_assets.core.errors import ServingError
from ml_assets.core.prediction import Predictor

# Requests that wait or are computed. A single row takes well under a millisecond: more than these
# would wait longer than a caller does.
CAPACITY = 1024
# Bytes of the bodies of one pass: what is small shares a pass, and nothing waits for many others.
PASS_BYTES = 1 << 20
# Bytes of the bodies of a pass that the event loop may compute itself: about a thousand rows.
SHORT_BYTES = 5 << 16
Files = Mapping[str, bytes]


class Serving:
    """Holds the one release that answers.

    Args:
        spool: Folder of the prediction log.
        capacity: Requests that may wait; more are turned away.
    """

    def __init__(self, spool: Path, *, capacity: int = CAPACITY) -> None:
        self.error: str | None = None
        self.adjustment_error: str | None = None
        self.tally = Tally()
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

    def ready(self) -> Loaded:
        """Return the release that answers.

        Raises:
            Unavailable: If none has proven itself yet.
        """
        if self._loaded is None:
            message = "No release is loaded yet: see GET /release."
            raise Unavailable(message)
        return self._loaded

    @property
    def contender_error(self) -> str | None:
        """Why the version beside the champion is not there; None if all is well."""
        beside = None if self._loaded is None else self._loaded.beside
        return None if beside is None else beside.error

    @property
    def adjustment(self) -> Adjustment | None:
        """What is added to the answers of the release; None if nothing is."""
        return None if self._loaded is None else self._loaded.adjustment

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
        predictor = self._ready(digest, lambda: files, problem)
        self._take(Loaded(predictor, revision, digest, datetime.now(UTC)))

    def follow(self, deployment: Deployment, read: Callable[[str], Files]) -> None:
        """Serve what a deployment names from the next request on: one or two versions.

        What is loaded already goes on as it is. If the version beside the champion cannot be
        loaded, the champion answers everything.

        Args:
            deployment: What is asked for.
            read: Returns the files of a release, from its folder.

        Raises:
            MLAssetsError: If the champion cannot serve; see :meth:`serve`.
        """
        self._check_revision(deployment.revision)
        champion = self._ready(
            deployment.champion, lambda: read(deployment.release_folder), deployment.problem
        )
        beside = None
        if deployment.contender is not None:
            try:
                beside = Beside(deployment, self._contender(deployment, champion, read))
            except Exception as error:  # whatever is wrong with it, the champion serves
                beside = Beside(deployment, None, f"{type(error).__name__}: {error}")
        now = datetime.now(UTC)
        self._take(Loaded(champion, deployment.revision, deployment.champion, now, beside))

    def adjust(self, adjustment: Adjustment | None) -> None:
        """Add something to the answers of the release from the next request on, or nothing.

        Raises:
            ServingError: If the release that answers then does not allow it; what was in force
                stays.
        """

        def change() -> None:
            loaded = self._loaded
            if loaded is None or loaded.predictor.assurer is None:
                return
            if adjustment is None or adjustment.release == loaded.digest:
                loaded.predictor.assurer.adjust(adjustment)

        self.lane.between_passes(change)

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
            "traffic": None if loaded.beside is None else loaded.beside.status(),
            "adjustment": _told(loaded.adjustment, self.adjustment_error),
            "error": self.error,
        }

    def close(self) -> None:
        """Answer what is queued, then free everything."""
        contender = None if self._loaded is None else self._loaded.contender
        if isinstance(contender, Shadow):
            contender.close(kept=(), wait=True)  # first, for it may wait for the lane
        self.lane.close()
        if isinstance(contender, Split):
            contender.close(kept=(), wait=True)  # last, for the lane may wait for it
        if self._passes is not None:
            self._passes.close()
        if self._loaded is not None:
            self._loaded.predictor.close()

    def _check_revision(self, revision: int) -> None:
        if self._loaded is None:
            return
        if revision == self._loaded.revision and self.contender_error is not None:
            return  # the version beside the champion is tried again
        if revision <= self._loaded.revision:
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

    def _known(self) -> dict[str, Predictor]:
        return {} if self._loaded is None else self._loaded.predictors

    def _ready(self, digest: str, read: Callable[[], Files], problem: str | None) -> Predictor:
        """Return a release that has proven itself.

        One that is loaded already goes on if it remembers nothing; what another remembers belongs
        to its revision, and is taken from the log for the next one.
        """
        known = self._known().get(digest)
        if known is not None and not known.release.reach.rows:
            return known
        return self._fresh(digest, read, problem)

    def _fresh(self, digest: str, read: Callable[[], Files], problem: str | None) -> Predictor:
        predictor = Predictor(read(), digest=digest)
        try:
            self._check_problem(predictor.release.problem, problem)
            predictor.prove()
        except BaseException:
            predictor.close()  # it is tried again and again: nothing of it may stay
            raise
        return predictor

    def _contender(
        self, deployment: Deployment, champion: Predictor, read: Callable[[str], Files]
    ) -> Contender:
        named = contender_of(deployment)
        if named.digest == deployment.champion:
            message = f"Version {named.version} is the champion itself."
            raise ServingError(message)
        # What is heard belongs to the lane's thread; the shadow has a release of its own.
        load = self._fresh if deployment.mode == "shadow" else self._ready
        predictor = load(named.digest, lambda: read(named.release_folder), deployment.problem)
        check_comparable(champion, predictor, deployment)
        parts = (deployment, champion, predictor, self.tally)
        memory = WarmStart(self._spool, predictor, revision=deployment.revision)
        between_passes = self.lane.between_passes
        if deployment.mode != "shadow":
            return Split(*parts, memory=memory, between_passes=between_passes)
        return Shadow(*parts, memory=memory, spool=self._spool, between_passes=between_passes)

    def _take(self, loaded: Loaded) -> None:
        memories = self._memories(loaded)
        for memory in memories:
            memory.recall()
        # Between two passes: no request sees a part of the exchange, and no row is lost.
        self.lane.between_passes(lambda: self._exchange(loaded, memories))

    def _memories(self, loaded: Loaded) -> list[WarmStart]:
        """Return what fills the memories of the releases that were loaded for this revision."""
        contender, known = loaded.contender, self._known().values()
        memories = []
        if loaded.predictor not in known:
            memories += [WarmStart(self._spool, loaded.predictor, revision=loaded.revision)]
        if contender is not None and contender.predictor not in known:
            memories += [contender.memory]
        return memories

    def _exchange(self, loaded: Loaded, memories: Sequence[WarmStart]) -> None:
        older, kept = self._loaded, loaded.predictors.values()
        contender, retired = loaded.contender, None if older is None else older.contender
        if retired is not None and not retired.reusable and retired.predictor in kept:
            message = f"Version {retired.version} has not come back from a request. Try again."
            raise ServingError(message)
        if older is None:
            self._passes = Passes(self._spool, loaded.predictor.release.problem)
        for memory in memories:
            memory.recall()
        self._loaded = loaded
        if contender is not None:
            contender.start()
        if retired is not None:
            retired.close(kept=kept, wait=False)
        if older is not None and older.predictor not in kept:
            older.predictor.close()

    def _answer(self, requests: Sequence[Request]) -> Sequence[Outcome]:
        if self._loaded is None or self._passes is None:
            message = "No release is loaded yet."
            raise ServingError(message)
        return self._passes.answer(self._loaded, requests)


def _told(adjustment: Adjustment | None, error: str | None) -> dict[str, Any] | None:
    """Return what is said of an adjustment, and why a newer one is not believed."""
    if adjustment is None and error is None:
        return None
    intervention = None if adjustment is None else adjustment.intervention
    return {
        "sequence": None if adjustment is None else adjustment.sequence,
        "intervention": None if intervention is None else intervention.to_json(),
        "error": error,
    }
