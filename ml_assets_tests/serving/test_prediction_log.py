import json
import os
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

from bentos.predictor.log import Logged, PredictionLog, log_lines
from ml_assets.core.answering import Answers
from ml_assets.core.errors import ArtefactError, ServingError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.request_rows import RequestRows
from ml_assets.storage.prediction_spool import FIELDS, hours, read

AT = datetime(2024, 5, 15, 7, 59, 59, 999999, tzinfo=UTC)
ROWS = RequestRows([AT, AT + timedelta(hours=1)], {"rig": ["a", "b"], "x": [0.1 + 0.2, None]})
FEATURES = FeatureValues(
    ("x", "kind"),
    np.array([[0.1 + 0.2], [np.nan]]),
    (np.array(["k", None], dtype=object),),
    (),
)


def lines(*, request_id="r1", values=(1.5, 2.0), probabilities=None, at=AT):
    answers = Answers(list(values), probabilities, ("no", "yes"), FEATURES)
    return log_lines([Logged(request_id, ROWS, answers)], version="v1", revision=3, at=at)


@pytest.fixture
def log(tmp_path):
    opened = PredictionLog(tmp_path, "plant")
    yield opened
    opened.close()


@pytest.fixture
def connection():
    with duckdb.connect(":memory:") as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def query(connection, tmp_path, sql="SELECT * FROM predictions ORDER BY request_id, row"):
    files = [path for hour in hours(tmp_path, "plant") for path in hour.files]
    read(connection, files, "predictions")
    return connection.execute(sql).fetchall()


def test_what_was_logged_is_read_back(log, tmp_path, connection):
    log.append(lines(), version="v1", at=AT)
    first, second = query(connection, tmp_path)
    assert first[:6] == ("r1", AT, "v1", 3, 0, AT)
    assert json.loads(first[6]) == {"rig": "a", "x": 0.1 + 0.2}
    assert json.loads(second[7]) == {"x": None, "kind": None}
    assert (first[8], second[8]) == ("1.5", "2.0")


def test_a_row_that_two_versions_answered_is_read_for_each(log, tmp_path, connection):
    shadow = b"".join(
        json.dumps({**json.loads(line), "variant": "shadow", "latency_ms": 2.5}).encode() + b"\n"
        for line in lines(values=(9.0, 9.5)).splitlines()
    )
    log.append(lines() + lines(), version="v1", at=AT)
    log.append(shadow, version="v2", at=AT)
    sql = "SELECT variant, row, prediction::DOUBLE, latency_ms FROM predictions ORDER BY ALL"
    assert query(connection, tmp_path, sql) == [
        ("champion", 0, 1.5, None),
        ("champion", 1, 2.0, None),
        ("shadow", 0, 9.0, 2.5),
        ("shadow", 1, 9.5, 2.5),
    ]


def told(variant, *, values, at):
    return b"".join(
        json.dumps({**json.loads(line), "variant": variant}).encode() + b"\n"
        for line in lines(values=values, at=at).splitlines()
    )


def test_a_retry_that_another_version_answered_counts_alone(log, tmp_path, connection):
    later = AT + timedelta(seconds=1)
    log.append(told("challenger", values=(1.0, 2.0), at=AT), version="v1", at=AT)
    log.append(told("shadow", values=(7.0, 8.0), at=AT), version="v2", at=AT)
    log.append(told("champion", values=(3.0, 4.0), at=later), version="v1", at=later)
    sql = "SELECT variant, row, prediction::DOUBLE FROM predictions ORDER BY ALL"
    assert query(connection, tmp_path, sql) == [
        ("champion", 0, 3.0),
        ("champion", 1, 4.0),
        ("shadow", 0, 7.0),
        ("shadow", 1, 8.0),
    ]


def test_a_number_is_read_to_the_bit(log, tmp_path, connection):
    values = (0.1 + 0.2, 12345678901234567.0)
    log.append(lines(values=values), version="v1", at=AT)
    found = query(connection, tmp_path, "SELECT prediction::DOUBLE FROM predictions ORDER BY row")
    assert tuple(value for (value,) in found) == values


def test_classes_come_with_their_probabilities(log, tmp_path, connection):
    shares = [[0.25, 0.75], [1.0, 0.0]]
    log.append(lines(values=("yes", "no"), probabilities=shares), version="v1", at=AT)
    found = query(
        connection,
        tmp_path,
        "SELECT prediction ->> '$', (probabilities -> 'yes')::DOUBLE FROM predictions ORDER BY row",
    )
    assert found == [("yes", 0.75), ("no", 0.0)]


def test_an_hour_that_turns_begins_a_segment(log, tmp_path):
    log.append(lines(), version="v1", at=AT)
    log.append(lines(), version="v1", at=AT + timedelta(microseconds=1))
    log.append(lines(), version="v2", at=AT + timedelta(microseconds=1))
    found = [(hour.hour.hour, hour.version) for hour in hours(tmp_path, "plant")]
    assert found == [(7, "v1"), (8, "v1"), (8, "v2")]
    first = hours(tmp_path, "plant")[0]
    assert not first.is_over(AT + timedelta(seconds=30))
    assert first.is_over(AT + timedelta(seconds=61))
    assert [len(hour.files) for hour in hours(tmp_path, "plant")] == [1, 1, 1]


def test_every_row_is_read_once(log, tmp_path, connection):
    log.append(lines(values=(1.0, 2.0)), version="v1", at=AT)
    later = AT + timedelta(seconds=1)
    log.append(lines(values=(3.0, 4.0), at=later), version="v1", at=later)
    assert [row[8] for row in query(connection, tmp_path)] == ["3.0", "4.0"]


def test_a_torn_last_line_is_left_for_later(log, tmp_path, connection):
    log.append(lines(), version="v1", at=AT)
    segment = hours(tmp_path, "plant")[0].files[0]
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-10])
    assert [row[4] for row in query(connection, tmp_path)] == [0]
    segment.write_bytes(whole)
    assert [row[4] for row in query(connection, tmp_path)] == [0, 1]


@pytest.mark.parametrize("ending", [b"", b"half a li"])
def test_a_damaged_line_is_an_error(log, tmp_path, connection, ending):
    log.append(lines(), version="v1", at=AT)
    segment = hours(tmp_path, "plant")[0].files[0]
    segment.write_bytes(b'{"broken\n' + segment.read_bytes() + ending)
    with pytest.raises(ArtefactError, match="damaged"):
        query(connection, tmp_path)


def test_no_segments_give_an_empty_view(tmp_path, connection):
    assert query(connection, tmp_path) == []
    assert [name for name, *_ in connection.execute("DESCRIBE predictions").fetchall()] == [*FIELDS]


def test_a_line_that_does_not_fit_the_disk_leaves_nothing(log, tmp_path, monkeypatch):
    log.append(lines(request_id="r1"), version="v1", at=AT)
    segment = hours(tmp_path, "plant")[0].files[0]
    before = segment.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:20]))
    with pytest.raises(ServingError, match="cannot be written"):
        log.append(lines(request_id="r2"), version="v1", at=AT)
    assert segment.read_bytes() == before


@pytest.mark.parametrize("name", ["../v1", "a/b", "", ".hidden"])
def test_a_version_cannot_leave_the_spool(log, name):
    with pytest.raises(ServingError, match="cannot name a folder"):
        log.append(lines(), version=name, at=AT)
