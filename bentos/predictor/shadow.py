"""A version that answers unheard, in a thread of its own, off every request's path.

What waits for it is bounded. When it is too slow, requests are dropped and counted, and nobody
waits. From the first dropped request on its history has a gap, so all further ones are dropped too,
until it has done what waits and has taken the rows from the log: what it logs is what it would have
said if it had answered everything.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from bentos.predictor.log import PredictionLog
from bentos.predictor.tally import Tally
from bentos.predictor.traffic import Asked, Roles, Told, contender_of
from bentos.predictor.variant_lines import variant_lines
from bentos.predictor.warm_start import WarmStart
from ml_assets.core.answering import Answers
from ml_assets.core.deployment import Deployment
from ml_assets.core.prediction import Predictor

# Rows that may wait. They are held as they were asked: a few megabytes.
ROWS = 8192
STOP_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class _Job:
    asked: Sequence[Asked]
    keys: list[list[str]]

    @property
    def rows(self) -> int:
        return sum(map(len, self.keys))


class Shadow:
    """The shadow of a champion.

    Args:
        deployment: Names both versions.
        champion: Has computed the requests.
        predictor: Of the shadow; from the start on only its thread uses it.
        tally: Counts what they do.
        memory: Fills the shadow's memory from the log.
        spool: Folder of the prediction log.
        between_passes: Runs something while the champion computes nothing.
        rows: Rows that may wait.
    """

    variant: Final = "shadow"

    def __init__(
        self,
        deployment: Deployment,
        champion: Predictor,
        predictor: Predictor,
        tally: Tally,
        *,
        memory: WarmStart,
        spool: Path,
        between_passes: Callable[[Callable[[], None]], None],
        rows: int = ROWS,
    ) -> None:
        self.predictor = predictor
        self.memory = memory
        self.version = predictor.release.version
        self.digest = contender_of(deployment).digest
        self._deployment = deployment
        self._champion = champion
        self._tally = tally
        self._roles = Roles(deployment, champion, predictor, tally)
        self._log = PredictionLog(spool, champion.release.problem)
        self._between_passes = between_passes
        self._bound = rows
        self._jobs: deque[_Job] = deque()
        self._rows = 0
        self._behind = self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    @property
    def reusable(self) -> bool:
        """Never: its thread goes on with what waits."""
        return False

    def start(self) -> None:
        """Answer what is offered from now on."""
        self._thread.start()

    def tell(self, asked: Sequence[Asked], *, seconds: float, at: datetime) -> list[Told]:
        """Return what is told of each request of a pass: the champion's answers."""
        keys = [self._roles.routing_keys(one) for one in asked]
        version = self._champion.release.version
        told = [
            Told(
                one.answers,
                (version,) * len(some),
                b"".join(
                    variant_lines(
                        one,
                        one.answers,
                        keys=some,
                        variant="champion",
                        seconds=seconds,
                        version=version,
                        revision=self._deployment.revision,
                        at=at,
                    )
                ),
            )
            for one, some in zip(asked, keys, strict=True)
        ]
        job = _Job(asked, keys)
        self._tally.seconds(version, "champion", seconds)
        self._tally.rows(version, "champion", "answered", job.rows)
        self._offer(job)
        return told

    def close(self, *, kept: Collection[Predictor], wait: bool) -> None:
        """Answer what waits, then free everything; see :class:`Contender`."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if wait:
            self._thread.join(STOP_SECONDS)

    def _offer(self, job: _Job) -> None:
        with self._changed:
            full = self._rows > 0 and self._rows + job.rows > self._bound
            self._behind = self._behind or full
            taken = not (self._behind or self._closing)
            if taken:
                self._jobs.append(job)
                self._rows += job.rows
            self._changed.notify()
        if not taken:
            self._tally.rows(self.version, self.variant, "dropped", job.rows)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._behind or self._closing)
                job = self._jobs[0] if self._jobs else None
                if job is None and self._closing:
                    break
            try:
                if job is None:
                    self._between_passes(self._catch_up)
                else:
                    self._answer(job)
            except Exception as error:  # such as a full disk: the next request may fare better
                self._roles.complain(error)
            if job is not None:
                with self._changed:
                    self._jobs.popleft()
                    self._rows -= job.rows
        self._log.close()
        self.predictor.close()

    def _answer(self, job: _Job) -> None:
        began = perf_counter()
        found = self._roles.attempt(job.asked)
        took = perf_counter() - began
        at = datetime.now(UTC)
        lines: list[bytes] = []
        for asked, answers, keys in zip(job.asked, found, job.keys, strict=True):
            lines += variant_lines(
                asked,
                answers,
                keys=keys,
                variant=self.variant,
                seconds=took,
                version=self.version,
                revision=self._deployment.revision,
                at=at,
            )
        self._log.append(b"".join(lines), version=self.version, at=at)
        self._tally.seconds(self.version, self.variant, took)
        for answers, keys in zip(found, job.keys, strict=True):
            outcome = "answered" if isinstance(answers, Answers) else "failed"
            self._tally.rows(self.version, self.variant, outcome, len(keys))

    def _catch_up(self) -> None:
        """Take the rows that were dropped, while neither version computes."""
        with self._changed:
            self._behind = False
            if not self._closing:  # else the champion may be gone
                self.memory.recall()
