"""Real servers in this process: one that serves a release, and one that misbehaves as told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bentos.predictor.routes import install
from bentos.predictor.serving import Serving
from ml_assets.core.release import digest_of
from ml_assets_tests.serving.releases import make_classifier_release, make_release


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """Put an application behind a free port."""
    config = uvicorn.Config(app, port=0, lifespan="off", ws="none", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def release_files() -> dict[str, bytes]:
    return make_release()


@contextmanager
def served(files: dict[str, bytes], spool) -> Iterator[str]:
    serving = Serving(spool)
    serving.serve(files, digest=digest_of(files), revision=3)
    ready = Route("/readyz", lambda _: PlainTextResponse("\n"))  # BentoML answers it in a Bento
    app = Starlette(routes=[ready])
    install(app, serving)
    with listening(app) as url:
        yield url
    serving.close()


@pytest.fixture
def url(release_files, tmp_path) -> Iterator[str]:
    """Address of a server of the pumps: at most 50 rows in a request."""
    with served(release_files, tmp_path / "spool") as address:
        yield address


@pytest.fixture
def classifier_url(release_files, tmp_path) -> Iterator[str]:
    """Address of a server that tells busy pumps from idle ones: at most 2 rows in a request."""
    files = make_classifier_release(release_files)
    with served(files, tmp_path / "spool") as address:
        yield address


@dataclass
class Received:
    """A request that a server has seen."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What a server answers, in order, and what it was asked; None hangs up."""

    answers: list[tuple[int, dict[str, str], bytes] | None]
    received: list[Received] = field(default_factory=list)
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        self._follow()

    def do_POST(self) -> None:
        self._follow()

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _follow(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.script.received.append(Received(self.command, self.path, headers, body))
        answer = self.script.answers.pop(0)
        if answer is None:
            return
        status, given, content = answer
        self.send_response(status)
        for name, value in {**given, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def scripted() -> Iterator[Callable[..., Script]]:
    """Start a server that answers what it is told."""
    started = []

    def start(*answers: tuple[int, dict[str, str], bytes] | None) -> Script:
        script = Script(list(answers))
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Scripted", (_Handler,), {"script": script})
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        script.url = f"http://127.0.0.1:{server.server_port}"
        return script

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()
