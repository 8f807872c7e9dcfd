"""Requests of many rows are records of the log: read back, they are what lines would have been."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from bentos.predictor.log import Logged, PredictionLog, log_lines, log_records
from ml_assets.core.answering import Answers
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.request_rows import RequestRows
from ml_assets.core.text_levels import Levels
from ml_assets.storage.prediction_spool import hours, read

AT = datetime(2024, 5, 15, 7, 30, tzinfo=UTC)
KINDS = {"rig": "string", "x": "float", "n": "integer", "event_time": "datetime"}
ROWS = RequestRows(
    [AT, AT + timedelta(hours=1, microseconds=1)],
    {"rig": ["a", "é"], "x": [0.1 + 0.2, None], "n": [2**53 + 1, None]},
)
FEATURES = FeatureValues(
    ("x", "kind", "baseline__persistence"),
    np.array([[0.1 + 0.2], [np.nan]]),
    (["k", None],),
    (np.array([np.nan, -0.0]),),
)
CLASSES = Answers(["no", "yes"], [[0.25, 0.75], [1.0, 0.0]], ("no", "yes"), FEATURES)
NUMBERS = Answers([1e-300, 12345678901234567.0], None, (), FEATURES)
JSON = ("inputs", "features", "prediction", "probabilities")


def logged(answers, *, request_id="r1", at=AT):
    return [Logged(request_id, ROWS, answers)], {"version": "v1", "revision": 3, "at": at}


def read_back(folder):
    files = [path for hour in hours(folder, "plant") for path in hour.files]
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        read(connection, files, "predictions")
        found = connection.execute('SELECT * FROM predictions ORDER BY request_id, "row"')
        names = [name for name, *_ in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    # A line says null where a record has no such column.
    plain = [{**row, **{name: json.loads(row[name] or "null") for name in JSON}} for row in rows]
    return [{**row, "probabilities": row["probabilities"] or None} for row in plain]


def read_both(folder, requests, said, *, kinds):
    """Log requests in both forms, and read each back."""
    found = []
    for form, content in (
        ("jsonl", log_lines(requests, **said)),
        ("records", log_records(requests, kinds=kinds, **said)),
    ):
        log = PredictionLog(folder / form, "plant")
        log.append(content, version="v1", at=AT, form=form)
        log.close()
        found.append(read_back(folder / form))
    return found


@pytest.fixture
def log(tmp_path):
    opened = PredictionLog(tmp_path, "plant")
    yield opened
    opened.close()


@pytest.mark.parametrize("answers", [CLASSES, NUMBERS])
def test_a_record_is_read_as_lines_are(tmp_path, answers):
    found = read_both(tmp_path, *logged(answers), kinds=KINDS)
    assert found[0] == found[1]
    assert found[0][0]["features"]["x"] == 0.1 + 0.2
    assert found[1][0]["inputs"]["n"] == 2**53 + 1


def test_a_number_that_is_an_input_is_written_once_and_read_as_it_was(tmp_path):
    count, at = 200, [AT + timedelta(seconds=n) for n in range(200)]
    numbers = np.arange(count, dtype=float)
    columns = {
        "same": numbers.tolist(),
        "signed": [-0.0, *numbers[1:].tolist()],
        "gappy": [None, *numbers[1:].tolist()],
        "whole": list(range(count)),
        "rig": ["a", "é"] * (count // 2),
        "mode": ["a", None] * (count // 2),
    }
    kinds = dict(zip(columns, ["float"] * 3 + ["integer"] + ["string"] * 2, strict=True))
    names = ("same", "signed", "gappy", "whole", "twice", "rig", "mode")
    gappy = np.where(numbers == 0, np.nan, numbers)
    features = FeatureValues(
        names,
        np.stack([numbers, numbers, gappy, numbers, 2 * numbers], axis=1),
        (Levels.of(columns["rig"]), Levels.of(["b", None] * (count // 2))),
        (),
    )
    answers = Answers(numbers.tolist(), None, (), features)
    requests = [Logged("r1", RequestRows(at, columns), answers)]
    said = {"version": "v1", "revision": 3, "at": AT}
    kinds |= {"event_time": "datetime"}
    lines, records = read_both(tmp_path, requests, said, kinds=kinds)
    assert lines == records
    assert str(records[0]["features"]["signed"]) == "0.0"
    (written,) = (tmp_path / "records").rglob("*.records")
    with pa.ipc.open_stream(pa.py_buffer(written.read_bytes()[16:])) as stream:
        own = stream.schema.field("features").type
    assert [field.name for field in own] == ["signed", "gappy", "whole", "twice", "rig", "mode"]


def test_rows_of_nothing_but_their_time_are_read_alike(tmp_path):
    rows = RequestRows(ROWS.event_times, {})
    features = FeatureValues((), np.empty((len(rows), 0)), (), ())
    requests = [Logged("r1", rows, Answers([1.0, 2.0], None, (), features))]
    said = {"version": "v1", "revision": 3, "at": AT}
    for one in read_both(tmp_path, requests, said, kinds={"event_time": "datetime"}):
        assert [row["prediction"] for row in one] == [1.0, 2.0]
        assert not any(row["inputs"] or row["features"] for row in one)


def test_records_of_several_versions_and_lines_are_read_together(log, tmp_path):
    for form, request_id, version, answers in (
        ("records", "r1", "v1", NUMBERS),
        ("records", "r2", "v2", CLASSES),
        ("jsonl", "r3", "v1", NUMBERS),
    ):
        requests, said = logged(answers, request_id=request_id)
        said["version"] = version
        write = log_lines if form == "jsonl" else lambda r, **s: log_records(r, kinds=KINDS, **s)
        log.append(write(requests, **said), version=version, at=AT, form=form)
    found = read_back(tmp_path)
    assert [(row["request_id"], row["version"], row["row"]) for row in found] == [
        ("r1", "v1", 0),
        ("r1", "v1", 1),
        ("r2", "v2", 0),
        ("r2", "v2", 1),
        ("r3", "v1", 0),
        ("r3", "v1", 1),
    ]
    assert {row["variant"] for row in found} == {"champion"}


def test_a_torn_last_record_is_left_for_later(log, tmp_path):
    for request_id in ("r1", "r2"):
        requests, said = logged(NUMBERS, request_id=request_id)
        log.append(log_records(requests, kinds=KINDS, **said), version="v1", at=AT, form="records")
    (segment,) = hours(tmp_path, "plant")[0].files
    whole = segment.read_bytes()
    for lost in (1, 100, len(whole) // 2 - 3):
        segment.write_bytes(whole[:-lost])
        assert {row["request_id"] for row in read_back(tmp_path)} == {"r1"}
    segment.write_bytes(whole)
    assert {row["request_id"] for row in read_back(tmp_path)} == {"r1", "r2"}


@pytest.mark.parametrize("place", [0, 3, 40])
def test_a_damaged_record_is_an_error_that_names_the_segment(log, tmp_path, place):
    requests, said = logged(NUMBERS)
    log.append(log_records(requests, kinds=KINDS, **said), version="v1", at=AT, form="records")
    (segment,) = hours(tmp_path, "plant")[0].files
    content = bytearray(segment.read_bytes())
    content[place : place + 8] = b"\xff" * 8
    segment.write_bytes(content)
    with pytest.raises(ArtefactError, match=f"{segment.name}.*damaged"):
        read_back(tmp_path)
