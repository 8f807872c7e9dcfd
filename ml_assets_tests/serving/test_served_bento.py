"""The Bento as users meet it: a process of its own, asked over HTTP."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import duckdb
import httpx
import psutil
import pytest

from ml_assets.core.errors import ServingError
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import GOLDEN_FILE
from ml_assets.storage.bento_validation import validate_bento
from ml_assets.storage.bentos import bento_folder, build_bento
from ml_assets.storage.prediction_spool import hours, read
from ml_assets.storage.served_bento import serve
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.conftest import put
from ml_assets_tests.serving.releases import seal

pytestmark = pytest.mark.serve
CALLERS = 4


def golden_of(files) -> GoldenRows:
    return GoldenRows.from_json(files[GOLDEN_FILE])


def wait_until(claim, *, seconds=60.0):
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.05)


def ask_until(stopped, url, row, outcomes):
    """Ask again and again; append each answer, and the kind of each failure."""
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client:
        while not stopped.is_set():
            try:
                outcomes.append(client.post("/predict", json=row))
            except httpx.TransportError as error:
                outcomes.append(error)


def test_a_bento_holds_the_release_and_the_core_alone(bento, home):
    source = bento_folder(bento, home=home) / "src"
    assert sorted(path.name for path in (source / "ml_assets").iterdir()) == ["__init__.py", "core"]
    assert (source / "release" / "manifest.json").is_file()


def test_a_port_that_another_server_has_is_refused(bento, home, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServingError, match=f"127.0.0.1:{port}.*--port"):
            serve(bento, home=home, log=tmp_path / "log", spool=tmp_path / "spool", port=port)
    assert not (tmp_path / "log").exists()


def test_a_terminated_command_takes_its_server_along(release_folder, deploy, tmp_path):
    workspace = Workspace(tmp_path)
    tag = build_bento(release_folder, problem="pumps", version="v1", home=workspace.bentos)
    deploy(workspace.deployment("plant").path, 1, release_folder)
    now = datetime.now(tz=UTC)
    workspace.ledger.record("plant", "trained", "v1", reason="test", at=now)
    workspace.ledger.record(
        "plant", "promoted", "v1", reason="test", details={"bento": tag}, at=now
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "ml_assets.cli", "serve", "plant", "--port", str(port)]
    environment = {**os.environ, "ML_ASSETS_HOME": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        wait_until(lambda: b"serves plant" in process.stdout.readline())
        assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
        process.terminate()
        assert process.wait(60) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/livez")


def test_the_same_content_is_packed_once(bento, home, release_folder):
    folder = bento_folder(bento, home=home)
    before = folder.stat().st_ino, folder.stat().st_mtime_ns
    assert build_bento(release_folder, problem="pumps", version="v1", home=home) == bento
    assert (folder.stat().st_ino, folder.stat().st_mtime_ns) == before


def test_a_bento_that_was_not_built_is_not_served(home, tmp_path):
    with pytest.raises(ServingError, match="There is no Bento"):
        serve("pumps:none", home=home, log=tmp_path / "log", spool=tmp_path / "spool")


def test_the_server_lives_is_ready_and_sends_no_one_elsewhere(server):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert client.get("/release").json()["version"] == "v1"
        assert "googletagmanager" not in client.get("/").text
        assert client.get("/predict").json() == {"error": "Method Not Allowed"}
        assert client.get("/nothing/here").status_code == 404


def test_an_exchange_under_load_fails_no_request_and_mixes_no_answer(
    server, deployment, deploy, release, other_release
):
    row = golden_of(release).rows[0]
    expected = {
        "v1": golden_of(release).predictions[0],
        "v2": golden_of(other_release).predictions[0],
    }
    releases = deployment.parent / "releases"
    folders = {"v1": releases / "v1", "v2": put(releases / "v2", other_release)}
    stopped, outcomes = threading.Event(), []
    with ThreadPoolExecutor(CALLERS) as callers:
        for _ in range(CALLERS):
            callers.submit(ask_until, stopped, server.url, row, outcomes)
        for revision, version in ((2, "v2"), (3, "v1"), (4, "v2")):
            deploy(deployment, revision, folders[version])
            wait_until(
                lambda revision=revision: (
                    outcomes
                    and isinstance(outcomes[-1], httpx.Response)
                    and outcomes[-1].json().get("revision") == revision
                )
            )
        stopped.set()
    assert {getattr(answer, "status_code", answer) for answer in outcomes} == {200}
    answers = [(answer.json(), answer.headers["x-model-version"]) for answer in outcomes]
    assert {answer["revision"] for answer, _ in answers} == {1, 2, 3, 4}
    for answer, named in answers:
        assert answer["version"] == named
        assert answer["predictions"] == [expected[named]]


def test_what_was_answered_is_in_the_log_exactly_once_though_the_server_is_killed(
    server, serving_folder, release
):
    row = golden_of(release).rows[0]
    numbers, acknowledged = count(), []

    def ask():
        with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
            while True:
                name = f"kill-{next(numbers)}"
                headers = {"x-request-id": name}
                try:
                    answer = client.post("/predict", json=row, headers=headers)
                except httpx.TransportError:
                    return
                acknowledged.append((name, answer.json()["predictions"]))

    with ThreadPoolExecutor(CALLERS) as callers:
        asked = [callers.submit(ask) for _ in range(CALLERS)]
        wait_until(lambda: len(acknowledged) >= 40)
        server.kill()
    for one in asked:
        one.result()
    logged = read_log(serving_folder / "spool")
    assert len(acknowledged) >= 40
    for name, predictions in acknowledged:
        assert logged[name] == [predictions[0]], name
    assert len(logged) <= len(acknowledged) + CALLERS  # at most one unanswered request a caller


def read_log(spool):
    """Return the predictions by request id, from every line, deduplicated by nobody."""
    files = [path for hour in hours(spool, "pumps") for path in hour.files]
    lines = Counter(line for path in files for line in path.read_bytes().splitlines())
    assert max(lines.values()) == 1
    with duckdb.connect(":memory:") as connection:
        read(connection, files, "predictions")
        found = connection.execute(
            "SELECT request_id, list(prediction::DOUBLE ORDER BY row) FROM predictions "
            "WHERE request_id LIKE 'kill-%' GROUP BY request_id"
        ).fetchall()
    return dict(found)


@pytest.mark.slow
def test_no_worker_outlives_its_parent(bento, home, tmp_path):
    with serve(bento, home=home, log=tmp_path / "log", spool=tmp_path / "spool") as server:
        parent = psutil.Process(server.pid)
        workers = parent.children(recursive=True)
        assert workers
        parent.kill()
        gone, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(gone), alive) == (len(workers), [])


@pytest.mark.slow
def test_a_sound_bento_passes_every_check(bento, home, release_folder):
    report = validate_bento(bento, release_folder, home=home)
    failed = [row for row in report.rows if not row.passed]
    assert failed == [], report.log
    assert report.passed
    assert report.start_seconds > 0
    assert report.latency_ms > 0
    assert report.memory_mb > 0


@pytest.mark.slow
def test_a_bento_that_answers_otherwise_is_told_apart(release, home, tmp_path):
    golden = golden_of(release)
    false = replace(golden, predictions=(golden.predictions[0] + 1, *golden.predictions[1:]))
    folder = put(tmp_path / "false", seal({**release, GOLDEN_FILE: false.to_json()}))
    tag = build_bento(folder, problem="pumps", version="false", home=home)
    report = validate_bento(tag, folder, home=home)
    assert not report.passed
    assert "golden row 0: expected" in report.rows[0].observed
