"""A caller: asks, asks again as a client with retries does, and writes down what it was told."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pyarrow as pa

from bentos.predictor.body import ARROW_TYPE
from ml_assets_tests.serving.mixed_load.journal import Acknowledged, BrokenConnection, Journal, Row
from ml_assets_tests.serving.mixed_load.rows import Pumps, as_json

# What a server may say instead of an answer: come again.
BACK_PRESSURE = frozenset({429, 503, 504})
PATIENCE = 600.0
TIMEOUT = 60.0
PAUSE = 0.05
COME_AGAIN = 0.5


@dataclass(frozen=True)
class Asked:
    """A request for predictions.

    Attributes:
        kind: What it is counted as.
        rows: Its rows.
        body: The bytes.
        content_type: What they are.
        request_id: Its name; None lets the server name it.
        accept: Form of the answer; None for JSON.
    """

    kind: str
    rows: tuple[Row, ...]
    body: bytes
    content_type: str
    request_id: str | None = None
    accept: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        given = {
            "content-type": self.content_type,
            "x-request-id": self.request_id,
            "accept": self.accept,
        }
        return {name: value for name, value in given.items() if value is not None}


class Caller:
    """One client with one connection.

    Args:
        name: Begins the names of its pumps and requests.
        url: The server.
        secret: Its API key.
        journal: Where it writes.
        pumps: Makes its rows.
        stopped: Ends it.
    """

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secret: str,
        journal: Journal,
        pumps: Pumps,
        stopped: threading.Event,
    ) -> None:
        self.name = name
        self.url = url
        self.secret = secret
        self.journal = journal
        self.pumps = pumps
        self.stopped = stopped
        self._sent = 0
        self._revision = 0
        self._client: httpx.Client | None = None

    @property
    def random(self) -> np.random.Generator:
        return self.pumps.random

    def run(self) -> None:
        """Do one thing after the other until it is stopped."""
        try:
            while not self.stopped.is_set():
                self.once()
                self.stopped.wait(float(self.random.exponential(PAUSE)))
        except Exception as error:  # a caller that dies silently would ask nothing more
            self.fault(f"the caller itself failed: {type(error).__name__}: {error}")
        finally:
            self.hang_up()

    def once(self) -> None:
        """Do what this caller is for."""
        raise NotImplementedError

    def new_name(self) -> str:
        self._sent += 1
        return f"{self.name}.{self._sent}"

    def asked(self, kind: str, *pumps: str, **how: Any) -> Asked:
        """Return a request with a new row of each pump."""
        rows = [self.pumps.row(pump) for pump in pumps]
        body, content_type = how.pop("encode", as_json)(rows)
        return Asked(kind, tuple(rows), body, content_type, **how)

    def predicted(self, asked: Asked, *, is_repeat: bool = False) -> Acknowledged | None:
        """Ask until there is an answer; None if none came at all."""
        patient_until = time.monotonic() + PATIENCE
        while time.monotonic() < patient_until:
            answer = self.send(asked.kind, "POST", "/predict", asked.body, **asked.headers)
            if answer is None or answer.status_code in BACK_PRESSURE:
                time.sleep(COME_AGAIN)
            elif answer.status_code == httpx.codes.OK:
                return self.read(asked, answer, is_repeat=is_repeat)
            else:
                self.fault(f"{asked.kind} got {answer.status_code}: {answer.text[:200]}")
                return None
        self.fault(f"{asked.kind} was not answered within {PATIENCE:.0f} s")
        return None

    def send(
        self, kind: str, method: str, path: str, body: bytes = b"", **headers: str
    ) -> httpx.Response | None:
        """Ask once; None if the connection failed."""
        given = {"authorization": f"Bearer {self.secret}", **headers}
        if "x-request-id" in given:
            self.journal.attempt(given["x-request-id"])
        began = time.monotonic()
        try:
            answer = self._connected().request(method, path, content=body, headers=given)
        except httpx.TransportError as error:
            self.hang_up()
            kept = BrokenConnection(kind, type(error).__name__, began, time.monotonic())
            self.journal.broken.append(kept)
            return None
        self.journal.reply(kind, answer.status_code, began=began, ended=time.monotonic())
        comes_again = answer.headers.get("retry-after") or path == "/readyz"
        if answer.status_code in (429, 503) and not comes_again:
            self.fault(f"{answer.status_code} on {path} without retry-after: {answer.text}")
        return answer

    def hang_up(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._client is not None:
            self._client.close()
        self._client = None
        self._revision = 0

    def fault(self, text: str) -> None:
        self.journal.faults.append(f"{self.name}: {text}")

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(base_url=self.url, timeout=TIMEOUT, trust_env=False)
        return self._client

    def read(
        self, asked: Asked, answer: httpx.Response, *, is_repeat: bool = False
    ) -> Acknowledged:
        """Write down an answer."""
        told = _of_arrow(answer) if asked.accept == ARROW_TYPE else answer.json()
        rows = len(asked.rows)
        versions = tuple(told.get("versions") or [told["version"]] * rows)
        found = Acknowledged(
            self.name,
            told["request_id"],
            asked.rows,
            versions,
            told["revision"],
            tuple(told["predictions"]),
            is_repeat,
            time.monotonic(),
        )
        if len(versions) != rows or len(found.predictions) != rows:
            self.fault(f"{rows} rows got {len(found.predictions)} predictions")
        if asked.request_id not in (None, found.request_id):
            self.fault(f"{asked.request_id} was answered as {found.request_id}")
        named = {answer.headers.get("x-request-id"), told["request_id"]}
        if len(named) != 1 or answer.headers.get("x-model-version") != told.get("version"):
            self.fault(f"headers and body differ: {dict(answer.headers)}, {told}"[:300])
        if not is_repeat and found.revision < self._revision:
            self.fault(f"revision {found.revision} came after {self._revision}")
        self._revision = max(self._revision, found.revision)
        self.journal.acknowledged.append(found)
        return found


def _of_arrow(answer: httpx.Response) -> dict[str, Any]:
    with pa.ipc.open_stream(answer.content) as stream:
        table = stream.read_all()
    told = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    named = {"versions": table["version"].to_pylist()} if "version" in table.column_names else {}
    return {
        "request_id": told["request_id"],
        "version": told.get("version"),
        "revision": int(told["revision"]),
        "predictions": table["prediction"].to_pylist(),
        **named,
    }
