"""Both clients against a real server."""

import asyncio
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.applications import Starlette

from bentos.predictor.routes import install
from bentos.predictor.serving import Serving
from ml_assets.client import (
    AsyncClient,
    Client,
    ClientError,
    Refused,
    Retry,
    ServedRelease,
    Unavailable,
    Unsendable,
)
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import GOLDEN_FILE, digest_of
from ml_assets_tests.client.conftest import listening, served
from ml_assets_tests.serving.releases import make_release
from ml_assets_tests.serving.traffic import Releases

ROW = {"pump": "north", "load": 40.0, "starts": 3}
SOON = Retry(attempts=2, base=0.0)


@pytest.fixture
def golden(release_files) -> GoldenRows:
    return GoldenRows.from_json(release_files[GOLDEN_FILE])


@pytest.fixture
def client(url):
    with Client(url, retry=SOON) as opened:
        yield opened


def hourly(rows: int) -> pd.DataFrame:
    """Rows of one pump, one an hour, with a gap in a nullable column."""
    frame = pd.DataFrame(
        {
            "pump": pd.Categorical(["north"] * rows),
            "load": np.linspace(0, 99, rows, dtype="float32"),
            "pm2.5": [np.nan, *np.linspace(1, 2, rows - 1)],
            "starts": np.arange(rows) % 9,
            "event_time": pd.date_range("2024-01-14", periods=rows, freq="h", tz="UTC"),
        },
        index=[f"r{n}" for n in range(rows)],
    )
    return frame.astype({"starts": "Int64"})


def test_the_client_needs_neither_pandas_nor_the_project():
    code = (
        "import sys, ml_assets.client\n"
        "heavy = {'pandas', 'numpy', 'dagster', 'bentoml', 'pydantic', 'msgspec', 'orjson'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "own = {name for name in sys.modules if name.startswith('ml_assets.')}\n"
        "assert all(name.startswith('ml_assets.client') for name in own), own\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, timeout=60)


def test_golden_rows_are_answered_as_the_batch_did(client, golden):
    found = client.predict(golden.rows, request_id="me.1")
    assert found.predictions == golden.predictions
    assert (found.version, found.request_id, found.probabilities) == ("v1", "me.1", None)
    assert [answer.revision for answer in found.answers] == [3]
    assert list(found) == list(golden.predictions)
    assert (len(found), found[0]) == (len(golden.predictions), golden.predictions[0])


def test_one_row_is_asked_without_asking_for_the_limit(client, golden):
    assert client.predict(golden.rows[0])[0] == golden.predictions[0]


def test_a_large_frame_is_cut_and_comes_back_with_its_index(client):
    frame = hourly(120)
    found = client.predict_frame(frame, request_id="big")
    assert list(found.index) == list(frame.index)
    assert list(found["request_id"].unique()) == ["big.0", "big.1", "big.2"]
    assert list(found["row"]) == [*range(50), *range(50), *range(20)]
    assert set(found["version"]) == {"v1"}
    assert found["prediction"].dtype == float


def test_a_cut_frame_is_answered_as_one_request_would_be(release_files, tmp_path):
    frame = hourly(40)
    answers = []
    for number, most in enumerate((None, 7)):
        spool = tmp_path / str(number)
        with served(release_files, spool) as address, Client(address, max_rows=most) as client:
            answers.append(client.predict(frame).predictions)
    assert answers[0] == answers[1]


def test_rows_that_two_versions_answered_name_theirs(release_files, tmp_path):
    releases = Releases(release_files, make_release(version="v2", seed=2))
    traffic = {"mode": "ab", "share": 0.5}
    serving = Serving(tmp_path / "spool")
    serving.follow(releases.deployment(1, "v1", "v2", **traffic), releases.read)
    app = Starlette()
    install(app, serving)
    with listening(app) as url, Client(url) as client:
        found = client.predict([{"pump": f"p{n}", "load": 1.0, "starts": 1} for n in range(40)])
        assert set(found.versions) == set(found.to_frame()["version"]) == {"v1", "v2"}
        assert len(found.versions) == 40
        with pytest.raises(ClientError, match="see `answers`"):
            _ = found.version
        assert client.release().traffic["version"] == "v2"
    serving.close()


def test_several_requests_have_no_one_name(client):
    found = client.predict(hourly(60))
    with pytest.raises(ClientError, match="2 of 'request_id'"):
        found.request_id  # noqa: B018


def test_classes_come_with_probabilities(classifier_url):
    with Client(classifier_url) as client:
        found = client.predict(hourly(3))
    frame = found.to_frame()
    assert set(found.predictions) <= {"busy", "idle"}
    assert [set(row) for row in found.probabilities] == [{"busy", "idle"}] * 3
    assert list(frame["probability_busy"] + frame["probability_idle"]) == pytest.approx([1, 1, 1])
    assert list(frame["row"]) == [0, 1, 0]


def test_a_refusal_names_row_column_and_rule(client):
    rows = [ROW] * 50 + [
        {**ROW, "pump": "south", "load": 140.5, "event_time": "2024-01-14T00:00:00Z"}
    ]
    for hour, row in enumerate(rows[:50]):
        rows[hour] = {**row, "event_time": datetime(2024, 1, 14, hour % 24, hour, tzinfo=UTC)}
    with pytest.raises(Refused) as caught:
        client.predict(rows, request_id="bad")
    error = caught.value
    assert (error.status, error.request_id) == (422, "bad.1")
    assert [(fault.row, fault.column, fault.rule) for fault in error.faults] == [
        (50, "load", "at_most")
    ]
    assert str(error).startswith("Row 50: ")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "load": float("nan")}, "Row 0, column 'load' is not a finite number"),
        ({**ROW, "load": float("inf")}, "Row 0, column 'load' is not a finite number"),
        ({**ROW, "event_time": datetime(2024, 1, 1)}, "without a time zone"),  # noqa: DTZ001
        ({**ROW, "load": {4477: 1}}, "is of type dict"),
        ({4477: 1.0}, "Row 0 is no mapping from column names"),
    ],
    ids=["nan", "infinity", "naive", "dict", "number as name"],
)
def test_what_json_does_not_know_is_not_sent(scripted, row, message):
    script = scripted()
    with Client(script.url) as client, pytest.raises(Unsendable, match=message) as caught:
        client.predict(row)
    assert "4477" not in str(caught.value)
    assert script.received == []


def test_no_rows_and_doubled_columns_are_not_sent(client):
    with pytest.raises(Unsendable, match="no row"):
        client.predict([])
    with pytest.raises(Unsendable, match="a column name twice"):
        client.predict(pd.DataFrame([[1, 2]], columns=["load", "load"]))


def test_the_release_is_told(client, release_files):
    found = client.release()
    assert isinstance(found, ServedRelease)
    assert (found.ready, found.problem, found.version) == (True, "pumps", "v1")
    assert (found.revision, found.digest, found.error) == (3, digest_of(release_files), None)
    assert found.since.tzinfo is not None


def test_ready_is_a_claim_and_no_error(client):
    assert client.ready()
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # taken, and nobody listens
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        nobody = Client(address, retry=SOON)
        assert not nobody.ready()
        with pytest.raises(Unavailable, match=r"asked 2 times.*ConnectError"):
            nobody.predict(ROW)


def test_asyncio_is_answered_alike(url, golden):
    async def ask() -> None:
        async with AsyncClient(url) as client:
            found, frame, release, ready = await asyncio.gather(
                client.predict(golden.rows),
                client.predict_frame(hourly(60)),
                client.release(),
                client.ready(),
            )
            assert found.predictions == golden.predictions
            assert len(frame) == 60
            assert (release.version, ready) == ("v1", True)
            with pytest.raises(Refused):
                await client.predict({**ROW, "lod": 1.0})

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("localhost:3000", {}, "begins with http"),
        ("http://me:word@localhost", {}, "Give api_key"),
        ("http://localhost", {"max_rows": 0}, "at least one row"),
        ("http://localhost", {"retry": None, "attempts": 0}, "at least once"),
    ],
    ids=["scheme", "password", "rows", "attempts"],
)
def test_a_wrong_setting_is_told(address, options, message):
    attempts = options.pop("attempts", None)
    with pytest.raises(ValueError, match=message) as caught:
        Client(address, **{**options, **({"retry": Retry(attempts)} if attempts == 0 else {})})
    assert "word@" not in str(caught.value)


def test_the_key_is_not_shown():
    assert "hidden" not in repr(Client("http://localhost", "hidden"))
