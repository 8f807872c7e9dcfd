"""The server's parts in this process: routes, exchange and watcher, without BentoML."""

import asyncio
import io
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import datetime

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.applications import Starlette

from bentos.predictor.body import ARROW_TYPE
from bentos.predictor.routes import install
from bentos.predictor.serving import Serving
from bentos.predictor.settings import Settings
from bentos.predictor.watcher import Watcher
from ml_assets.core.compiled import compile_model
from ml_assets.core.contract import Contract
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import (
    COMPILED_FILE,
    CONTRACT_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    RELEASE_FILE,
    Release,
    digest_of,
)
from ml_assets.storage.malformed import malformed_requests
from ml_assets.storage.model_files import load
from ml_assets_tests.serving.conftest import put
from ml_assets_tests.serving.releases import RELEASE, make_classifier_release, seal

JSON = {"content-type": "application/json"}
ROW = {"pump": "north", "load": 40.0, "starts": 3}


@pytest.fixture
def serving(tmp_path):
    made = Serving(tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def loaded(serving, release):
    serving.serve(release, digest=digest_of(release), revision=1)
    return serving


@contextmanager
def asked(serving):
    """Put the routes behind a real port of this process."""
    app = Starlette()
    install(app, serving)
    config = uvicorn.Config(app, port=0, lifespan="off", ws="none", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as opened:
        yield opened
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(loaded):
    with asked(loaded) as opened:
        yield opened


@pytest.fixture
def golden(release):
    return GoldenRows.from_json(release[GOLDEN_FILE])


@pytest.fixture
def followed(serving, release, tmp_path, deploy):
    """A server that has followed a deployment to its first release."""
    place = tmp_path / "deployment.json"
    watcher = Watcher(serving, Settings(place, tmp_path / "spool"))
    deploy(place, 5, put(tmp_path / "v1", release))
    watcher.look()
    assert serving.status()["revision"] == 5
    return serving, watcher, place


def lines(tmp_path):
    return [
        json.loads(line)
        for path in tmp_path.glob("spool/**/*.jsonl")
        for line in path.read_text().splitlines()
    ]


def test_an_answer_names_its_version_and_is_in_the_log(client, golden, tmp_path):
    answer = client.post("/predict", json={"rows": golden.rows}, headers={"x-request-id": "me.1"})
    assert answer.json() == {
        "request_id": "me.1",
        "version": "v1",
        "revision": 1,
        "predictions": list(golden.predictions),
    }
    assert (answer.headers["x-model-version"], answer.headers["x-request-id"]) == ("v1", "me.1")
    logged = lines(tmp_path)
    assert [line["prediction"] for line in logged] == list(golden.predictions)
    assert {line["request_id"] for line in logged} == {"me.1"}
    given = {**logged[0]["inputs"], "event_time": golden.rows[0]["event_time"]}
    assert given.keys() == golden.rows[0].keys()


def test_a_request_without_a_name_gets_one(client, golden):
    names = {client.post("/predict", json=golden.rows[0]).json()["request_id"] for _ in range(2)}
    assert len(names) == 2


def test_malformed_requests_are_refused_as_they_are_declared(client, release, golden):
    described = Release.from_json(json.loads(release[RELEASE_FILE]))
    contract = Contract.from_json(json.loads(release[CONTRACT_FILE]))
    seen = {}
    requests = list(malformed_requests(dict(golden.rows[0]), described, contract))
    for request in requests:
        answer = client.request(
            request.method, "/predict", content=request.body, headers=request.headers
        )
        seen[request.what] = answer.status_code
        assert "error" in answer.json()
    assert seen == {request.what: request.status for request in requests}


def test_a_body_of_unknown_length_is_bounded_too(client):
    pieces = (b" " * 4096 for _ in range(100))
    assert client.post("/predict", content=pieces, headers=JSON).status_code == 413


def test_a_refused_request_names_row_column_and_rule(client, golden):
    bad = {"rows": [golden.rows[0], {**golden.rows[1], "load": 101}]}
    answer = client.post("/predict", json=bad)
    assert answer.status_code == 422
    fault = answer.json()["faults"][0]
    assert (fault["row"], fault["column"], fault["rule"]) == (1, "load", "at_most")


def test_without_a_release_nothing_is_answered(serving, golden):
    with asked(serving) as client:
        answer = client.post("/predict", json=golden.rows[0])
        assert answer.status_code == 503
        assert client.get("/release").json() == {"ready": False, "error": None}
        assert "Not ready" in client.get("/").text


def test_nothing_is_answered_that_is_not_logged(client, golden, tmp_path):
    (tmp_path / "spool").write_text("a file where the folder should be")
    answer = client.post("/predict", json=golden.rows[0])
    assert answer.status_code == 500
    assert "spool" not in answer.text


def test_the_pages_describe_the_release_and_load_nothing_else(client):
    page = client.get("/").text
    assert "v1" in page
    assert "curl" in page
    assert "httpx" in page
    assert "src=" not in page
    assert 'href="http' not in page
    document = client.get("/openapi.json").json()
    row = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    one = row["schema"]["oneOf"][1]
    assert one["required"] == ["pump", "load", "starts"]
    assert one["properties"]["load"]["maximum"] == 100.0
    assert client.post("/predict", json=row["example"]).status_code == 200


def test_a_release_that_answers_otherwise_does_not_replace_the_old_one(
    serving, release, other_release, tmp_path, deploy
):
    place = tmp_path / "deployment.json"
    watcher = Watcher(serving, Settings(place, tmp_path / "spool"))
    watcher.look()
    assert "There is no deployment" in serving.status()["error"]
    deploy(place, 1, put(tmp_path / "v1", release))
    watcher.look()
    assert (serving.status()["version"], serving.status()["error"]) == ("v1", None)

    false = seal({**other_release, GOLDEN_FILE: release[GOLDEN_FILE]})
    deploy(place, 2, put(tmp_path / "false", false))
    watcher.look()
    status = serving.status()
    assert (status["version"], status["revision"]) == ("v1", 1)
    assert "golden row" in status["error"]

    deploy(place, 3, put(tmp_path / "v2", other_release))
    watcher.look()
    assert (serving.status()["revision"], serving.status()["error"]) == (3, None)


@pytest.mark.parametrize("damage", ["model.skops", "manifest.json", "folder"])
def test_a_damaged_release_does_not_replace_the_old_one(
    followed, other_release, tmp_path, deploy, damage
):
    serving, watcher, place = followed
    folder = put(tmp_path / "v2", other_release)
    deploy(place, 6, folder)
    if damage == "folder":
        shutil.rmtree(folder)
    else:
        (folder / damage).write_bytes(other_release[damage].replace(b"e", b"f"))
    watcher.look()
    assert serving.status()["version"] == "v1"
    assert serving.status()["error"]


def test_an_older_revision_and_a_torn_file_are_refused(serving, release, tmp_path, deploy, caplog):
    place = tmp_path / "deployment.json"
    watcher = Watcher(serving, Settings(place, tmp_path / "spool"))
    folder = put(tmp_path / "v1", release)
    deploy(place, 5, folder)
    watcher.look()
    deploy(place, 4, folder)
    watcher.look()
    assert "not newer" in serving.status()["error"]
    caplog.clear()
    place.write_text('{"problem": ')
    with caplog.at_level(logging.ERROR):
        watcher.look()
        watcher.look()
    assert "JSONDecodeError" in serving.status()["error"]
    assert len(caplog.records) == 1
    assert serving.status()["revision"] == 5


def test_a_release_of_another_problem_is_refused(serving, release, tmp_path, deploy):
    values = json.loads(release[RELEASE_FILE])
    foreign = seal({**release, RELEASE_FILE: json.dumps({**values, "problem": "fans"}).encode()})
    place = tmp_path / "deployment.json"
    deploy(place, 1, put(tmp_path / "foreign", foreign))
    watcher = Watcher(serving, Settings(place, tmp_path / "spool"))
    watcher.look()
    assert "'fans'" in serving.status()["error"]
    assert serving.loaded is None


def test_without_a_deployment_the_packed_release_serves(serving, release, tmp_path):
    packed = put(tmp_path / "release", release)
    Watcher(serving, Settings(None, tmp_path / "spool", packed)).look()
    assert serving.status()["revision"] == 0
    assert serving.status()["digest"] == digest_of(release)


def test_recent_rows_outlive_an_exchange(client, loaded, other_release, tmp_path):
    row = {**ROW, "load": 12.5, "event_time": "2024-01-13T13:00:00Z"}
    client.post("/predict", json=row)
    loaded.serve(other_release, digest=digest_of(other_release), revision=2)
    client.post("/predict", json={**row, "event_time": "2024-01-13T14:00:00Z"})
    assert lines(tmp_path)[-1]["features"]["load_before"] == 12.5


def test_a_classifier_answers_each_class_with_its_probability(serving, release, tmp_path):
    files = make_classifier_release(release)
    expected = GoldenRows.from_json(files[GOLDEN_FILE])
    serving.serve(files, digest=digest_of(files), revision=1)
    with asked(serving) as client:
        answer = client.post("/predict", json=expected.rows[0]).json()
    shares = dict(zip(("busy", "idle"), expected.probabilities[0], strict=True))
    assert answer["predictions"] == [expected.predictions[0]]
    assert answer["probabilities"] == [shares]
    assert lines(tmp_path)[0]["probabilities"] == shares


def test_a_table_is_answered_as_json_is_and_in_the_form_asked_for(client, golden, tmp_path):
    rows = pa.Table.from_pylist(list(golden.rows))
    times = [datetime.fromisoformat(row["event_time"]) for row in golden.rows]
    place = rows.schema.get_field_index("event_time")
    rows = rows.set_column(place, "event_time", pa.array(times, pa.timestamp("us", "UTC")))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    headers = {"content-type": ARROW_TYPE, "accept": ARROW_TYPE}
    answer = client.post("/predict", content=sink.getvalue().to_pybytes(), headers=headers)
    with pa.ipc.open_stream(answer.content) as stream:
        answered = stream.read_all()
    assert answered.column("prediction").to_pylist() == list(golden.predictions)
    assert answered.schema.metadata[b"version"] == b"v1"
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    headers = {"content-type": "application/vnd.apache.parquet"}
    answer = client.post("/predict", content=sink.getvalue(), headers=headers)
    assert answer.json()["predictions"] == list(golden.predictions)
    assert len(lines(tmp_path)) == 2 * len(golden.rows)


def test_a_retry_over_http_is_answered_again_and_another_body_is_a_conflict(client, golden):
    headers = {"x-request-id": "once"}
    first = client.post("/predict", json=golden.rows[0], headers=headers)
    assert client.post("/predict", json=golden.rows[0], headers=headers).json() == first.json()
    other = client.post("/predict", json=golden.rows[1], headers=headers)
    assert (other.status_code, "another request" in other.json()["error"]) == (409, True)


def test_a_server_that_stops_asks_to_come_again(client, loaded, golden):
    asyncio.run(loaded.lane.drained())
    answer = client.post("/predict", json=golden.rows[0])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_compiled_release_is_served_without_scikit_learn(release, tmp_path):
    model = load(release[MODEL_FILE])
    compiled = compile_model(
        model, task="regression", numeric=RELEASE.numeric, categorical=RELEASE.categorical
    )
    folder = put(tmp_path / "release", seal({**release, COMPILED_FILE: compiled.to_bytes()}))
    code = """
import asyncio, json, sys
from pathlib import Path
import bentos.predictor.routes, bentos.predictor.service
from bentos.predictor.passes import Answered, Request
from bentos.predictor.serving import Serving
from bentos.predictor.watcher import read_folder
from ml_assets.core.release import digest_of
files = read_folder(Path(sys.argv[1]))
serving = Serving(Path(sys.argv[2]))
serving.serve(files, digest=digest_of(files), revision=1)
row = json.dumps(json.loads(files["golden.json"])["rows"][0]).encode()
found = asyncio.run(serving.submit(Request(row)))
assert isinstance(found, Answered), found
serving.close()
print([name for name in ("pandas", "sklearn", "skops", "whylogs") if name in sys.modules])
"""
    command = [sys.executable, "-c", code, str(folder), str(tmp_path / "spool")]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.stdout.splitlines() == ["[]"], said.stderr


def test_settings_come_from_the_environment(tmp_path):
    found = Settings.from_environment(
        {"ML_ASSETS_DEPLOYMENT": str(tmp_path), "ML_ASSETS_SPOOL": ""}
    )
    assert (found.deployment, found.spool.name) == (tmp_path, "spool")
    assert Settings.from_environment({"ML_ASSETS_DEPLOYMENT": ""}).deployment is None
