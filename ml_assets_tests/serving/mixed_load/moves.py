"""What is done to the server while it answers: versions change, processes are ended."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import numpy as np
import psutil

from ml_assets.core.deployment import Deployment
from ml_assets.storage.ledger import SERVES
from ml_assets.storage.serving_state import announce, serving_at
from ml_assets.storage.traffic import Part, change_traffic, end_traffic, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets_tests.serving.mixed_load.scene import PROBLEM, READY_WITHIN, Scene

WAYS = ("SIGKILL of all", "SIGTERM", "SIGKILL of the worker")
# Callers whose connection was cut learn of it a moment later.
AFTERWARDS = 1.0


@dataclass(frozen=True)
class Restart:
    """A time in which the server was ended and came back, in monotonic seconds."""

    way: str
    began: float
    ended: float


class Swaps:
    """Changes who answers, through the ledger, as people and the gates do.

    Attributes:
        deployments: Every deployment by its revision.
        moved_at: When each was announced, in monotonic seconds.
        moves: What was done, in order.
    """

    def __init__(self, scene: Scene, random: np.random.Generator) -> None:
        self._scene = scene
        self._random = random
        first = announce(scene.workspace, PROBLEM)
        self.deployments: dict[int, Deployment] = {first.revision: first}
        self.moved_at = {first.revision: time.monotonic()}
        self.moves: list[str] = []

    def once(self) -> None:
        """Do what the present state allows, at random."""
        workspace = self._scene.workspace
        entries = workspace.ledger.entries(PROBLEM)
        state = serving_at(entries)
        if state is None:
            message = "Nothing serves."
            raise RuntimeError(message)
        champion = state.champion.version
        others = [version for version in self._scene.releases if version != champion]
        other = others[int(self._random.integers(len(others)))]
        served = {entry.version for entry in entries if entry.event in SERVES}
        given = {"reason": "mixed load", "now": datetime.now(UTC)}
        share = float(self._random.uniform(0.1, 0.9))
        possible = ["promoted"] + ["rolled_back"] * (other in served)
        possible += ["canary", "ab", "shadow"] if state.traffic is None else ["change", "end"] * 2
        move = possible[int(self._random.integers(len(possible)))]
        match move:
            case "promoted" | "rolled_back":
                _, deployment = deploy(workspace, PROBLEM, other, event=move, **given)
            case "end":
                deployment = end_traffic(workspace, PROBLEM, outcome="inconclusive", **given)
            case "change":
                part = Part("canary", share)
                deployment = change_traffic(workspace, PROBLEM, part, **given)
            case "canary" | "ab" | "shadow":
                part = Part(move, 0.0 if move == "shadow" else share)
                deployment = start_traffic(workspace, PROBLEM, other, part, routing_key=(), **given)
        self.deployments[deployment.revision] = deployment
        self.moved_at[deployment.revision] = time.monotonic()
        self.moves.append(move)


class Restarts:
    """Ends the server, each time in another way, and brings it back.

    Attributes:
        done: What was done, in order.
        drained_in: Seconds that each SIGTERM took.
    """

    def __init__(self, scene: Scene) -> None:
        self._server = scene.server
        self.done: list[Restart] = []
        self.drained_in: list[float] = []

    def once(self) -> None:
        """Do the next one, and return when the server is ready again."""
        way = WAYS[len(self.done) % len(WAYS)]
        began = time.monotonic()
        if way == "SIGKILL of the worker":
            self._kill_the_worker()
        elif way == "SIGKILL of all":
            self._server.kill()
        else:
            self.drained_in.append(self._server.stop())
        if not self._server.running:
            number = len(self.done) + 1
            self._server.log = self._server.log.with_name(f"server-{number}.log")
            self._server.start()
        self.done.append(Restart(way, began, time.monotonic() + AFTERWARDS))

    def _kill_the_worker(self) -> None:
        """Kill what answers; the process that watches it has to start another one."""
        workers = psutil.Process(self._server.pid).children(recursive=True)
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, timeout=10)
        until = time.monotonic() + READY_WITHIN
        with httpx.Client(base_url=self._server.url, timeout=5.0, trust_env=False) as client:
            while time.monotonic() < until:
                try:
                    if client.get("/readyz").status_code == httpx.codes.OK:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        message = f"No worker came back within {READY_WITHIN:.0f} s:\n{self._server.said()}"
        raise RuntimeError(message)


class Every(threading.Thread):
    """Does something again and again until it is stopped; keeps what it raised."""

    def __init__(self, what, *, low: float, high: float, random, stopped: threading.Event) -> None:
        super().__init__(name=type(what).__name__)
        self._what, self._low, self._high = what, low, high
        self._random, self._stopped = random, stopped
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stopped.wait(float(self._random.uniform(self._low, self._high))):
                self._what.once()
        except BaseException as error:
            self.error = error
            self._stopped.set()
