"""A challenger that answers a share of the keys, in a thread of its own, within a time limit.

It is asked about a request if one of its rows is routed to it; of the others it sees the rows, so
that its history has no gap. Where it fails, or takes too long, the champion's answer stands in.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Final

from bentos.predictor.own_thread import OwnThread, TooLate
from bentos.predictor.tally import Tally
from bentos.predictor.traffic import Asked, Failure, Roles, Told, contender_of
from bentos.predictor.variant_lines import variant_lines
from bentos.predictor.warm_start import WarmStart
from ml_assets.core.answering import Answers
from ml_assets.core.deployment import Deployment
from ml_assets.core.prediction import Predictor
from ml_assets.core.routing import variant_for

# What a pass may take, in times of what the champion took, or of the release's declared latency.
TIMES = 5
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class _Pass:
    """Times of a pass: how long each version computed, and when it was."""

    champion_seconds: float
    seconds: float
    at: datetime


class Split:
    """The challenger of a canary or an A/B test. Asked by the thread that computes passes.

    Args:
        deployment: Names both versions, the share and the experiment.
        champion: Has computed the requests.
        predictor: Of the challenger.
        tally: Counts what they do.
        memory: Fills the challenger's memory from the log.
        between_passes: Runs something while the champion computes nothing.
    """

    variant: Final = "challenger"

    def __init__(
        self,
        deployment: Deployment,
        champion: Predictor,
        predictor: Predictor,
        tally: Tally,
        *,
        memory: WarmStart,
        between_passes: Callable[[Callable[[], None]], None],
    ) -> None:
        self.predictor = predictor
        self.memory = memory
        self.version = predictor.release.version
        self.digest = contender_of(deployment).digest
        self._champion = champion.release.version
        self._deployment = deployment
        self._tally = tally
        self._roles = Roles(deployment, champion, predictor, tally)
        self._thread: OwnThread[list[Answers | Failure]] = OwnThread(
            self.variant,
            catch_up=memory.recall,
            between_passes=between_passes,
            complain=self._roles.complain,
        )

    @property
    def reusable(self) -> bool:
        """Whether its predictor may go on in another part: no computation is under way."""
        return not self._thread.late

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self, *, kept: Collection[Predictor], wait: bool) -> None:
        """Free everything, once nothing is computed any more; see :class:`Contender`."""
        at_the_end = _nothing if self.predictor in kept else self.predictor.close
        self._thread.close(at_the_end, wait=STOP_SECONDS if wait else 0.0)

    def tell(self, asked: Sequence[Asked], *, seconds: float, at: datetime) -> list[Told]:
        """Return what is told of each request of a pass."""
        keys = [self._roles.routing_keys(one) for one in asked]
        routed = [[self._is_challengers(key) for key in some] for some in keys]
        wanted = [one for one, mine in zip(asked, routed, strict=True) if any(mine)]
        others = [one for one, mine in zip(asked, routed, strict=True) if not any(mine)]
        began = perf_counter()
        found = iter(self._within_the_limit(wanted, others, seconds))
        took = perf_counter() - began
        self._tally.seconds(self._champion, "champion", seconds)
        if wanted:
            self._tally.seconds(self.version, self.variant, took)
        return [
            self._told(
                one, some, mine, next(found) if any(mine) else None, _Pass(seconds, took, at)
            )
            for one, some, mine in zip(asked, keys, routed, strict=True)
        ]

    def _within_the_limit(
        self, wanted: Sequence[Asked], others: Sequence[Asked], seconds: float
    ) -> list[Answers | Failure]:
        """Return its answers to ``wanted``; of ``others`` it sees the rows."""
        if not wanted and not self.predictor.features.reach.rows:
            return []
        limit = TIMES * max(seconds, self.predictor.release.latency_ms / 1e3)
        try:
            return self._thread.run(partial(self._computed, wanted, others), within=limit)
        except TooLate as error:
            self._roles.complain(error)
            return [Failure(TooLate.__name__)] * len(wanted)

    def _computed(
        self, wanted: Sequence[Asked], others: Sequence[Asked]
    ) -> list[Answers | Failure]:
        self._roles.learn(others)
        return self._roles.attempt(wanted)

    def _is_challengers(self, key: str) -> bool:
        deployment = self._deployment
        who = variant_for(key, salt=deployment.experiment, share=deployment.share)
        return who == self.variant

    def _told(
        self,
        asked: Asked,
        keys: list[str],
        routed: list[bool],
        found: Answers | Failure | None,
        now: _Pass,
    ) -> Told:
        revision = self._deployment.revision
        failed = isinstance(found, Failure)
        heard = [mine and not failed for mine in routed]
        lines: list[bytes] = []
        if not all(heard):
            ours = variant_lines(
                asked,
                asked.answers,
                variant="champion",
                seconds=now.champion_seconds,
                version=self._champion,
                keys=keys,
                revision=revision,
                at=now.at,
            )
            lines += [line for line, mine in zip(ours, heard, strict=True) if not mine]
        if found is not None:
            theirs = variant_lines(
                asked,
                found,
                variant=self.variant,
                seconds=now.seconds,
                version=self.version,
                keys=keys,
                revision=revision,
                at=now.at,
            )
            lines += [line for line, mine in zip(theirs, routed, strict=True) if mine]
        count, mine = self._tally.rows, sum(routed)
        count(self._champion, "champion", "answered", len(heard) - sum(heard))
        count(self.version, self.variant, "failed" if failed else "answered", mine)
        versions = tuple(self.version if one else self._champion for one in heard)
        answers = asked.answers
        if isinstance(found, Answers):
            answers = merged(answers, found, heard)
        return Told(answers, versions, b"".join(lines))


def merged(champion: Answers, challenger: Answers, heard: Sequence[bool]) -> Answers:
    """Return the answers of both, each row by whom it was routed to.

    Args:
        champion: One answer a row.
        challenger: The same; the classes may stand in another order.
        heard: Whether the challenger answers the row.
    """
    predictions = [
        theirs if mine else ours
        for ours, theirs, mine in zip(
            champion.predictions, challenger.predictions, heard, strict=True
        )
    ]
    shares = None
    if champion.probabilities is not None and challenger.probabilities is not None:
        order = [challenger.classes.index(name) for name in champion.classes]
        shares = [
            [theirs[n] for n in order] if mine else ours
            for ours, theirs, mine in zip(
                champion.probabilities, challenger.probabilities, heard, strict=True
            )
        ]
    beside = None
    if champion.beside is not None and challenger.beside is not None:
        beside = champion.beside.merged(challenger.beside, heard)
    return Answers(predictions, shares, champion.classes, champion.features, beside=beside)


def _nothing() -> None:
    """Leave the predictor to who goes on with it."""
