"""The servers that are compared: each is started, asked on one address, and ended."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import psutil
import pyarrow as pa
import sklearn
from sklearn.pipeline import Pipeline

from benchmarks.serving.releases import NUMBERS, START, make_release
from ml_assets.storage.bentos import build_bento
from ml_assets.storage.served_bento import ServedBento

HERE = Path(__file__).parent
PEERS = HERE / "peers"
READY_SECONDS = 180.0
Row = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: What it is called in the table.
        url: Its address.
        pid: Its process; others below it belong to it.
        one: Path and body for one row.
        many: Path and body for many rows; None if it is not asked for many.
        predictions: Reads the predictions from an answer.
        table: Arrow stream of many rows; None if it is not asked for one.
    """

    name: str
    url: str
    pid: int
    one: Callable[[Row], tuple[str, Any]]
    many: Callable[[Sequence[Row]], tuple[str, Any]] | None
    predictions: Callable[[Any], list[float]]
    table: Callable[[Sequence[Row]], tuple[str, bytes]] | None = None

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes."""
        parent = psutil.Process(self.pid)
        family = [parent, *parent.children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in family)


def peers_python() -> Path:
    """Return the Python of the peers' own environment, made when it is missing.

    It lies in the folder ``ML_ASSETS_PEERS``, by default in the user's cache.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("ML_ASSETS_PEERS") or cache / "ml_assets" / "peers")
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Making the environment of the other servers in {folder} ...", flush=True)
        venv.create(folder, with_pip=False)
        same = [f"scikit-learn=={sklearn.__version__}", f"numpy=={np.__version__}"]
        listed = ["--requirement", str(PEERS / "requirements.txt"), *same]
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", str(python), *listed], check=True
        )
    return python


@contextmanager
def ours(model: Pipeline, folder: Path) -> Iterator[Server]:
    """Run the Bento of a release."""
    release = folder / "release"
    for name, content in make_release(model).items():
        path = release / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    home = folder / "home"
    tag = build_bento(release, problem="bench", version="v1", home=home)
    with ServedBento(tag, home, folder / "ours.log", folder / "spool") as served:
        yield Server(
            "ml_assets",
            served.url,
            served.pid or 0,
            lambda row: ("/predict", row),
            lambda rows: ("/predict", {"rows": [_at(n, row) for n, row in enumerate(rows)]}),
            lambda answer: answer["predictions"],
            lambda rows: ("/predict", _arrow(rows)),
        )


@contextmanager
def empty(folder: Path) -> Iterator[Server]:
    """Run an empty endpoint of the same stack."""
    service = "benchmarks.serving.empty_service:EmptyService"
    command = [sys.executable, "-m", "bentoml", "serve", service, "--port", "{port}"]
    with _running(command, folder, "empty", cwd=Path.cwd()) as (url, pid):
        yield Server("empty endpoint", url, pid, lambda row: ("/predict", row), None, _plain)


@contextmanager
def fastapi(python: Path, folder: Path) -> Iterator[Server]:
    """Run FastAPI."""
    command = [str(python), "-m", "uvicorn", "--app-dir", str(PEERS), "fastapi_app:app"]
    command += ["--port", "{port}", "--no-access-log"]
    with _running(command, folder, "fastapi") as (url, pid):
        yield Server("FastAPI", url, pid, _row, _rows("/predict_many"), _plain)


@contextmanager
def litserve(python: Path, folder: Path) -> Iterator[Server]:
    """Run LitServe."""
    command = [str(python), str(PEERS / "litserve_app.py"), "{port}"]
    with _running(command, folder, "litserve") as (url, pid):
        yield Server("LitServe", url, pid, _row, _rows("/predict"), _plain)


@contextmanager
def bentoml_typed(python: Path, folder: Path) -> Iterator[Server]:
    """Run BentoML's typed API."""
    command = [str(python), "-m", "bentoml", "serve", "bentoml_app:Typed"]
    command += ["--working-dir", str(folder), "--port", "{port}"]
    shutil.copy(PEERS / "bentoml_app.py", folder)
    with _running(command, folder, "bentoml") as (url, pid):
        yield Server("BentoML typed API", url, pid, _row, _rows("/predict_many"), list)


@contextmanager
def mlserver(python: Path, folder: Path) -> Iterator[Server]:
    """Run MLServer with its scikit-learn runtime; rows come as columns of a frame."""
    model = {
        "name": "bench",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(folder / "model.joblib"), "content_type": "pd"},
    }
    port, grpc, metrics = (_free_port() for _ in range(3))
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": grpc,
        "metrics_port": metrics,
        "parallel_workers": 0,
        "debug": False,
    }
    place = folder / "mlserver"
    place.mkdir()
    (place / "model-settings.json").write_text(json.dumps(model))
    (place / "settings.json").write_text(json.dumps(settings))
    command = [str(python.with_name("mlserver")), "start", str(place)]
    with _running(command, folder, "mlserver", port=port) as (url, pid):
        yield Server("MLServer", url, pid, lambda row: _v2([row]), _v2, _v2_values)


def save_model(model: Pipeline, folder: Path) -> None:
    """Put the pipeline where the peers read it."""
    joblib.dump(model, folder / "model.joblib")


def _row(row: Row) -> tuple[str, Any]:
    return "/predict", row


def _rows(path: str) -> Callable[[Sequence[Row]], tuple[str, Any]]:
    return lambda rows: (path, {"rows": list(rows)})


def _plain(answer: Any) -> list[float]:
    return answer["predictions"]


def _at(position: int, row: Row) -> Row:
    return {**row, "event_time": f"2024-02-01T00:{position // 60:02d}:{position % 60:02d}Z"}


def _arrow(rows: Sequence[Row]) -> bytes:
    moments = [START + timedelta(seconds=n) for n in range(len(rows))]
    table = pa.Table.from_pylist(list(rows)).append_column("event_time", pa.array(moments))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _v2(rows: Sequence[Row]) -> tuple[str, Any]:
    inputs = [
        {
            "name": name,
            "shape": [len(rows), 1],
            "datatype": "FP64" if name in NUMBERS else "BYTES",
            "parameters": {"content_type": "np" if name in NUMBERS else "str"},
            "data": [row[name] for row in rows],
        }
        for name in rows[0]
    ]
    content = {"parameters": {"content_type": "pd"}, "inputs": inputs}
    return "/v2/models/bench/infer", content


def _v2_values(answer: Any) -> list[float]:
    return answer["outputs"][0]["data"]


@contextmanager
def _running(
    command: list[str], folder: Path, name: str, *, port: int | None = None, cwd: Path | None = None
) -> Iterator[tuple[str, int]]:
    """Run a command with a free port, in a session of its own, until it is no longer needed."""
    port = port or _free_port()
    filled = [part.format(port=port) for part in command]
    environment = {**os.environ, "BENTOML_HOME": str(folder / "home")}
    if cwd is None:
        environment.pop("PYTHONPATH", None)
    log = folder / f"{name}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            filled, cwd=cwd or folder, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, log)
        yield url, process.pid
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        for member in reversed(family):
            member.terminate()
        process.wait(30)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            httpx.get(f"{url}/", timeout=2.0, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    message = f"{log.stem} did not start:\n{log.read_text('utf-8', errors='replace')[-2000:]}"
    raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
