"""The mixed load: everything at once for some time, then the judgement."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx
import numpy as np

from ml_assets.core.online_features import contract_of
from ml_assets.core.release import RELEASE_FILE, Release
from ml_assets.storage.malformed import Malformed, malformed_requests
from ml_assets_tests.serving.mixed_load.asking import Caller
from ml_assets_tests.serving.mixed_load.callers import (
    Feedback,
    Greedy,
    Leaving,
    ManyRows,
    OneRow,
    Operator,
    Repeating,
    Tables,
    Wrong,
)
from ml_assets_tests.serving.mixed_load.journal import Journal, Row
from ml_assets_tests.serving.mixed_load.moves import (
    AFTERWARDS,
    WAYS,
    Every,
    Restart,
    Restarts,
    Swaps,
)
from ml_assets_tests.serving.mixed_load.report import delays, gaps, report
from ml_assets_tests.serving.mixed_load.rows import Clock, Pumps
from ml_assets_tests.serving.mixed_load.scene import Scene
from ml_assets_tests.serving.mixed_load.verdict import Judgement, failures_told, judge

CALLERS: dict[str, type[Caller]] = {
    "one": OneRow,
    "other": OneRow,
    "many": ManyRows,
    "tables": Tables,
    "repeating": Repeating,
    "wrong": Wrong,
    "greedy": Greedy,
    "leaving": Leaving,
    "feedback": Feedback,
    "operator": Operator,
}
SWAP_SECONDS = (1.0, 5.0)
RESTARTS_EVERY = 30.0  # seconds between them, about
# The load goes on until the server was ended in each way, if need be for so long.
LONGEST_OVERTIME = 120.0


@dataclass(frozen=True)
class Played:
    """A load that is over."""

    journal: Journal
    swaps: Swaps
    restarts: list[Restart]
    judgement: Judgement

    def report(self) -> str:
        """Return everything as tables."""
        return report(self.journal, self.swaps, self.restarts, self.judgement)


def play(scene: Scene, *, seconds: float, seed: int) -> Played:
    """Let everything happen at once for some time, and judge it.

    Args:
        scene: Where; its server runs, and has ended afterwards.
        seconds: How long, at least.
        seed: Of everything that is left to chance, but not of the moments at which it happens.
    """
    journal, clock, stopped = Journal(), Clock(), threading.Event()
    randoms = iter(np.random.default_rng(seed).spawn(len(CALLERS) + 3))
    swaps, restarts = Swaps(scene, next(randoms)), Restarts(scene)
    callers = [
        kind(
            name,
            url=scene.server.url,
            secret=scene.secrets[name],
            journal=journal,
            pumps=Pumps(clock, next(randoms)),
            stopped=stopped,
            **({"malformed": _malformed(scene)} if kind is Wrong else {}),
        )
        for name, kind in CALLERS.items()
    ]
    threads = [threading.Thread(target=one.run, name=one.name) for one in callers]
    pause = min(RESTARTS_EVERY, seconds / 5)
    moving = [
        Every(what, low=low, high=high, random=next(randoms), stopped=stopped)
        for what, (low, high) in (
            (swaps, SWAP_SECONDS),
            (restarts, (0.5 * pause, 1.1 * pause)),
        )
    ]
    for thread in (*threads, *moving):
        thread.start()
    until = time.monotonic() + seconds
    while not stopped.wait(1.0):
        over = time.monotonic() - until
        if over > LONGEST_OVERTIME or (
            over > 0 and {one.way for one in restarts.done} == set(WAYS)
        ):
            break
    stopped.set()
    for thread in (*threads, *moving):
        thread.join()
    for mover in moving:
        if mover.error is not None:
            raise mover.error
    idle = _figures_of(scene)
    scene.server.stop()
    judgement = judge(scene, journal, swaps, restarts.done, clock)
    for name, value in idle.items():
        if value > 0:
            judgement.fault(f"{name} is not 0 when nobody asks", value)
    for text in failures_told(scene.server.log.parent):
        judgement.fault("failure in the server's log", text)
    judgement.figures["seconds that a SIGTERM took"] = [round(s, 1) for s in restarts.drained_in]
    judgement.figures["seconds that a restart took"] = [
        round(one.ended - one.began - AFTERWARDS, 1) for one in restarts.done
    ]
    judgement.figures |= gaps(journal, restarts.done) | delays(journal, swaps, restarts.done)
    return Played(journal, swaps, restarts.done, judgement)


def _malformed(scene: Scene) -> Callable[[Row], Iterator[Malformed]]:
    files = next(iter(scene.releases.values()))
    release = Release.from_json(json.loads(files[RELEASE_FILE]))
    return partial(malformed_requests, release=release, contract=contract_of(files))


def _figures_of(scene: Scene) -> dict[str, float]:
    """Return what still waits or is answered, besides the question itself."""
    headers = {"authorization": f"Bearer {scene.secrets['operator']}"}
    deadline = time.monotonic() + 10
    while True:
        text = httpx.get(f"{scene.server.url}/metrics", headers=headers, trust_env=False).text
        found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        figures = {
            "queue depth": float(found["ml_assets_queue_depth"]),
            "requests in flight": float(found["ml_assets_requests_in_flight"]) - 1,
        }
        if not any(figures.values()) or time.monotonic() > deadline:
            return figures
        time.sleep(0.2)
