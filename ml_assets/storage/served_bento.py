"""A Bento that serves: a process and its workers, which end together."""

import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil

from ml_assets.core.addresses import is_loopback
from ml_assets.core.api_keys import KeyRing
from ml_assets.core.errors import ServingError
from ml_assets.storage.api_keys import KeyStore
from ml_assets.storage.bentos import bento_folder, bentoml_command, bentoml_environment

LOCALHOST = "127.0.0.1"
POLL_SECONDS = 0.1
STOP_SECONDS = 10.0
LOG_TAIL = 3000


@dataclass
class ServedBento:
    """One serving process, and its workers.

    Attributes:
        tag: Tag of the Bento.
        home: BentoML's home.
        log: File for what the process says.
        spool: Folder of the prediction log.
        deployment: File that says which release serves; None serves the packed one.
        keys: File of API keys; None for no key at all.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        ready_within: Seconds the process may take until it is ready.
    """

    tag: str
    home: Path
    log: Path
    spool: Path
    deployment: Path | None = None
    keys: Path | None = None
    host: str = LOCALHOST
    port: int = 0
    ready_within: float = 120.0
    ready_after: float | None = field(default=None, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _members: set[psutil.Process] = field(default_factory=set, init=False, repr=False)

    @property
    def url(self) -> str:
        """Address of the server, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Number of the process, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process and return when it is ready; one that runs already is left alone.

        Raises:
            ServingError: If others could reach it and nobody has a key, if its port is taken, or
                if it does not become ready; it is ended then.
        """
        if self.running:
            return self
        self._refuse_to_stand_open()
        if not bento_folder(self.tag, home=self.home).is_dir():
            message = f"There is no Bento {self.tag!r} in {self.home}. Build it first."
            raise ServingError(message)
        if self.port:
            _refuse_a_taken_port(self.host, self.port)
        else:
            self.port = _free_port(self.host)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        self._process = self._launch()
        try:
            self._wait(began + self.ready_within)
        except BaseException:
            self.stop()
            raise
        self.ready_after = time.monotonic() - began
        self._members |= _family(self._process.pid)
        return self

    def stop(self) -> float:
        """End the process and its workers; return how many seconds it took."""
        process, began = self._process, time.monotonic()
        if process is None:
            return 0.0
        self._members |= _family(process.pid)
        if process.poll() is None:
            process.terminate()
            # Whatever keeps it longer, it is killed below.
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        self.kill()
        self._process = None
        return time.monotonic() - began

    def kill(self) -> None:
        """Kill the process and its workers at once, as a crash would."""
        if self._process is None:
            return
        # Workers have sessions of their own: they are known by kinship, not by group.
        self._members |= _family(self._process.pid)
        for member in self._members:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait()
        psutil.wait_procs(self._members, timeout=STOP_SECONDS)

    def wait(self) -> int:
        """Return the exit code of the process once it has ended by itself."""
        if self._process is None:
            message = f"The Bento {self.tag} was not started."
            raise ServingError(message)
        return self._process.wait()

    @property
    def memory_mb(self) -> float:
        """Resident memory of the process and its workers, in megabytes."""
        if self._process is None:
            return 0.0
        return sum(member.memory_info().rss for member in _family(self._process.pid)) / 1e6

    def said(self) -> str:
        """Return the end of what the process said."""
        return self.log.read_text("utf-8", errors="replace")[-LOG_TAIL:]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _refuse_to_stand_open(self) -> None:
        """Refuse to listen for other machines while there is no key that opens predict."""
        if is_loopback(self.host):
            return
        ring = KeyRing() if self.keys is None else KeyStore(self.keys.parent).ring()
        if not ring.opens("predict", datetime.now(tz=UTC)):
            message = (
                f"On {self.host} other machines reach the server, and no key opens predict. Make "
                "one first: ml-assets keys create NAME --scope predict. Or serve on 127.0.0.1."
            )
            raise ServingError(message)

    def _launch(self) -> "subprocess.Popen[bytes]":
        environment = {
            **bentoml_environment(self.home),
            "ML_ASSETS_SPOOL": str(self.spool.absolute()),
            "ML_ASSETS_DEPLOYMENT": str(self.deployment.absolute()) if self.deployment else "",
            "ML_ASSETS_KEYS": str(self.keys.absolute()) if self.keys else "",
            "BENTOML_RESULT_STORE": str(self.log.with_suffix(".results").absolute()),
        }
        command = bentoml_command("serve", self.tag, "--host", self.host, "--port", str(self.port))
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the owner, which ends this in good order.
            return subprocess.Popen(
                command,
                env=environment,
                cwd=self.log.parent,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, until: float) -> None:
        with httpx.Client(base_url=self.url, timeout=5.0, trust_env=False) as client:
            while time.monotonic() < until:
                if not self.running:
                    message = f"The Bento {self.tag} ended before it was ready:\n{self.said()}"
                    raise ServingError(message)
                if self._is_ready(client):
                    return
                time.sleep(POLL_SECONDS)
        waited = f"{self.ready_within:.0f} seconds"
        message = f"The Bento {self.tag} was not ready within {waited}:\n{self.said()}"
        raise ServingError(message)

    def _is_ready(self, client: httpx.Client) -> bool:
        try:
            answer = client.get("/readyz")
        except httpx.TransportError:
            return False  # it does not listen yet
        if answer.status_code == httpx.codes.OK:
            return True
        told = answer.json()
        if told["failed"]:
            message = f"The Bento {self.tag} cannot serve: {told['reason']}"
            raise ServingError(message)
        return False


def serve(
    tag: str,
    *,
    home: Path,
    log: Path,
    spool: Path,
    deployment: Path | None = None,
    keys: Path | None = None,
    host: str = LOCALHOST,
    port: int = 0,
) -> ServedBento:
    """Start a Bento for users, and return it once it is ready; ``stop()`` ends it.

    Args:
        tag: Tag of the Bento.
        home: BentoML's home.
        log: File for what the process says.
        spool: Folder of the prediction log.
        deployment: File that says which release serves; it is followed. None serves the packed
            release for good.
        keys: File of API keys; None for no key at all.
        host: Address to listen on; other machines are answered only if there are keys.
        port: Port to listen on; 0 takes a free one.
    """
    served = ServedBento(
        tag, home, log, spool, deployment=deployment, keys=keys, host=host, port=port
    )
    return served.start()


def _refuse_a_taken_port(host: str, port: int) -> None:
    """Refuse a port on which another server would answer in this one's place."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        message = (
            f"Nothing can listen on {host}:{port}: {error.strerror or error}. If another server "
            "has the port, end it or choose another one: ml-assets serve PROBLEM --port NUMBER."
        )
        raise ServingError(message) from error


def _free_port(host: str) -> int:
    with socket.socket() as listener:
        listener.bind((host, 0))
        return listener.getsockname()[1]


def _family(pid: int) -> set[psutil.Process]:
    """Return a process and all that it has started."""
    try:
        parent = psutil.Process(pid)
        return {parent, *parent.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()
