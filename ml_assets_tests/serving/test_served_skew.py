"""The prediction log of a real server, replayed: equal to the bit, and red where it is not."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

from bentos.predictor.serving import Serving
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import RELEASE_FILE, SQL_FILE, digest_of
from ml_assets.core.skew import LEFT_OUT, PREDICTION
from ml_assets.core.window import Window
from ml_assets.storage.served_skew import replay_log
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import (
    HOURS,
    START,
    make_classifier_release,
    seal,
    with_max_rows,
)
from ml_assets_tests.serving.test_serving import asked

END = START + timedelta(hours=HOURS)
WINDOW = Window(END - timedelta(hours=3), END + timedelta(hours=9))
AT = datetime(2024, 1, 20, tzinfo=UTC)
PUMPS = ("north", "south", "east", "west")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def record(workspace, files):
    """Store a release as the promotion does."""
    version = json.loads(files[RELEASE_FILE])["version"]
    stored = {name: content for name, content in files.items() if name != "manifest.json"}
    details = {"release": workspace.artefacts.put_folder(stored)}
    workspace.ledger.record("pumps", "trained", version, reason="test", at=AT, details=details)


@pytest.fixture
def traffic():
    """Requests of several rows, late ones and repeated ones among them."""
    rng = np.random.default_rng(11)
    requests = []
    for minute in range(0, 420, 20):
        late = int(rng.integers(0, 90)) if rng.random() < 0.4 else 0
        moment = END + timedelta(minutes=minute - late)
        rows = [
            {
                "pump": pump,
                "load": float(np.round(rng.uniform(0, 100), 2)),
                "starts": int(rng.integers(0, 9)),
                "pm2.5": None if rng.random() < 0.2 else float(rng.normal(10, 3)),
                "mode": [None, "eco", "full"][int(rng.integers(3))],
                "event_time": moment.isoformat(),
            }
            for pump in ("north", "south")
        ]
        requests.append(rows)
        if rng.random() < 0.3:
            requests.append([{**rows[0], "load": 50.0}])
    return requests


def serve(workspace, parts):
    """Let one server answer, release by release, and return the number of rows."""
    serving = Serving(workspace.spool)
    count = 0
    with asked(serving) as client:
        for revision, (files, requests) in enumerate(parts, start=1):
            serving.serve(files, digest=digest_of(files), revision=revision)
            for rows in requests:
                answer = client.post("/predict", json={"rows": rows})
                assert answer.status_code == 200, answer.text
                count += len(rows)
    serving.close()
    return count


def verify(workspace, window=WINDOW, **named):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return replay_log(connection, workspace, "pumps", window, **named)


def edit(workspace, change, *, line=5):
    """Change one logged line."""
    (path,) = workspace.spool.rglob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    values = json.loads(lines[line])
    change(values)
    lines[line] = json.dumps(values).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    return values


def test_what_was_served_is_the_batch_to_the_bit(workspace, release, traffic):
    record(workspace, release)
    rows = serve(workspace, [(release, traffic)])
    report = verify(workspace)
    assert report.worst == ()
    assert (report.rows, report.compared, report.different_rows) == (rows, rows, 0)
    assert report.values == rows * 8  # seven features and the prediction
    assert report.equal
    assert report.not_compared == {}


def test_an_exchange_of_releases_is_replayed_too(workspace, release, other_release, traffic):
    record(workspace, release)
    record(workspace, other_release)
    rows = serve(workspace, [(release, traffic[:9]), (other_release, traffic[9:])])
    report = verify(workspace)
    assert report.worst == ()
    assert (report.compared, report.different_rows) == (rows, 0)


def test_requests_of_many_rows_are_replayed_among_the_others(workspace, release, traffic):
    wide = with_max_rows(release, 200)
    record(workspace, wide)
    many = [{**row, "pump": pump} for rows in traffic[:18] for row in rows[:1] for pump in PUMPS]
    moments = [END + timedelta(minutes=7, seconds=n) for n in range(len(many))]
    many = [{**row, "event_time": at.isoformat()} for row, at in zip(many, moments, strict=True)]
    rows = serve(workspace, [(wide, [*traffic[:9], many, *traffic[9:], many[:3]])])
    assert len(list(workspace.spool.rglob("*.records"))) == 1
    report = verify(workspace)
    assert (report.rows, report.compared, report.different_rows) == (rows, rows, 0)


def test_one_edited_feature_is_found(workspace, release, traffic):
    record(workspace, release)
    serve(workspace, [(release, traffic)])

    def nudge(values):
        values["features"]["load_mean"] = float(np.nextafter(values["features"]["load_mean"], 1e9))

    edited = edit(workspace, nudge)
    report = verify(workspace)
    assert report.different_rows == 1
    assert report.by_column == {"load_mean": 1}
    (found,) = report.worst
    assert (found.request_id, found.row) == (edited["request_id"], edited["row"])
    assert found.served == edited["features"]["load_mean"]
    assert 0 < report.largest < 1e-10


def test_one_edited_prediction_is_found(workspace, release, traffic):
    record(workspace, release)
    serve(workspace, [(release, traffic)])
    edit(workspace, lambda values: values.update(prediction=values["prediction"] + 1e-12))
    report = verify(workspace)
    assert report.by_column == {PREDICTION: 1}


def test_a_server_with_another_sql_is_found(workspace, release, traffic):
    record(workspace, release)
    sql = release[SQL_FILE].replace(b"INTERVAL 5 HOURS", b"INTERVAL 4 HOURS")
    golden = json.loads(release["golden.json"])
    # Its golden rows are those it answers: it believes itself.
    tampered = with_own_golden_rows({**release, SQL_FILE: sql}, golden)
    serve(workspace, [(tampered, traffic)])
    report = verify(workspace)
    assert not report.equal
    assert report.by_column["load_mean"] > report.compared / 2
    assert "load_before" not in report.by_column


def with_own_golden_rows(files, golden):
    predictor = Predictor(seal(files))
    body = json.dumps({"rows": golden["rows"]}).encode()
    answers = predictor.predict(predictor.decode(body, now=AT), remember=False)
    predictor.close()
    golden = {**golden, "predictions": answers.predictions}
    return seal({**files, "golden.json": json.dumps(golden).encode()})


def test_a_server_that_forgot_a_row_is_found(workspace, release, traffic):
    record(workspace, release)
    serve(workspace, [(release, traffic)])
    (path,) = workspace.spool.rglob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    report = verify(workspace)
    assert set(report.by_column) >= {"load_mean", "load_before"}


def test_rows_of_a_lost_release_are_counted_not_passed_over(workspace, release, traffic):
    rows = serve(workspace, [(release, traffic)])
    report = verify(workspace)
    assert (report.compared, report.rows) == (0, rows)
    assert report.not_compared == {"the ledger names no release of version v1": rows}
    record(workspace, release)
    model = next(workspace.artefacts.root.rglob("model.skops"))
    model.chmod(0o644)
    model.write_bytes(b"damaged")
    assert verify(workspace).not_compared == {"the release of version v1 is gone or damaged": rows}


def test_a_row_that_the_batch_leaves_out_is_a_difference(workspace, release, traffic):
    sql = release[SQL_FILE].replace(b"FROM validated_data", b"FROM validated_data WHERE load <> 50")
    record(workspace, seal({**release, SQL_FILE: sql}))
    serve(workspace, [(release, traffic)])
    assert verify(workspace).by_column[LEFT_OUT] > 0


def test_only_the_rows_of_the_window_are_compared(workspace, release, traffic):
    record(workspace, release)
    rows = serve(workspace, [(release, traffic)])
    middle = END + timedelta(hours=3)
    parts = [
        verify(workspace, Window(WINDOW.start, middle)),
        verify(workspace, Window(middle, WINDOW.end)),
    ]
    assert [part.different_rows for part in parts] == [0, 0]
    assert 0 < parts[0].compared < rows
    assert sum(part.compared for part in parts) == rows


def test_classes_are_compared_too(workspace, release):
    files = make_classifier_release(release)
    record(workspace, files)
    row = {"pump": "north", "load": 70.0, "starts": 2, "pm2.5": 9.0, "event_time": END.isoformat()}
    serve(workspace, [(files, [[row]])])
    report = verify(workspace)
    assert (report.compared, report.different_rows) == (1, 0)
    edit(workspace, lambda values: values.update(prediction="idle"), line=0)
    (found,) = verify(workspace).worst
    assert (found.column, found.served, found.replayed) == (PREDICTION, "idle", "busy")


def test_without_a_log_there_is_nothing_to_compare(workspace):
    assert verify(workspace).rows == 0
    assert replace(verify(workspace), compared=0).equal
