"""Feedback becomes labels: late, repeated, corrected, and about requests that nobody knows."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from bentos.predictor.feedback_log import FeedbackLog
from ml_assets.core.errors import ArtefactError
from ml_assets.core.feedback import Truth
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets_tests.journeys.test_automation import tick
from ml_assets_tests.journeys.test_files import DAYS, runner, write

__all__ = ["runner"]

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def answered(tmp_path, request_id, *, event_time=NOON, meter="m1", variant="champion", hour=12):
    """Write what a server writes when it answers one row."""
    version = "v2" if variant == "shadow" else "v1"
    folder = tmp_path / "home" / "spool" / "meters" / version / "2024-01-01" / f"{hour:02}"
    folder.mkdir(parents=True, exist_ok=True)
    line = {
        "request_id": request_id,
        "at": event_time.isoformat(),
        "version": version,
        "variant": variant,
        "revision": 1,
        "row": 0,
        "event_time": event_time.isoformat(),
        "inputs": {"meter": meter, "load": 1.0},
        "features": {"load": 1.0},
        "prediction": 9.0,
        "probabilities": None,
    }
    path = folder / f"{request_id}.jsonl"
    path.write_text(json.dumps(line) + "\n")
    return path


def made_unreadable(path):
    """Damage a segment without a trace: whoever reads it fails."""
    before = path.stat()
    path.write_text("?" * (before.st_size - 1) + "\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def told(tmp_path, request_id, truth, received_at):
    FeedbackLog(tmp_path / "home" / "spool").append(
        [Truth(request_id, 0, truth, None)], problem="meters", received_at=received_at, by="shop"
    )


def row(meter, moment, demand):
    return f"{meter},{moment:%Y-%m-%dT%H:%M:%SZ},1,{demand}"


@pytest.fixture
def measured(runner, tmp_path):
    """Two rows came with the data; a third one was only ever answered, and has no label."""
    write(tmp_path, "a.csv", row("m1", NOON, 2), row("m2", NOON, 4), row("m3", NOON, 6))
    answered(tmp_path, "one")
    answered(tmp_path, "three", meter="m3")
    return runner


def labels_known_at(runner, cutoff):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lake = runner.workspace.lake
        recipe = TrainingRecipe.of_today(lake, runner.declared, cutoff)
        frame = read_training_set(connection, lake, runner.declared, recipe).frame
    return dict(zip(frame["meter"], frame["demand"], strict=True))


def facts(result, asset):
    (event,) = [
        e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == asset
    ]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_training_set_holds_what_was_known_at_its_cutoff(measured, tmp_path):
    told(tmp_path, "one", 20.0, NOON + DAY)
    told(tmp_path, "one", 21.0, NOON + 2 * DAY)
    measured.run("data", DAYS)
    as_declared = {"m1": 2.0, "m2": 4.0, "m3": 6.0}
    assert labels_known_at(measured, NOON + timedelta(hours=2)) == as_declared
    assert labels_known_at(measured, NOON + DAY) == {**as_declared, "m1": 20.0}
    assert labels_known_at(measured, NOON + 2 * DAY - timedelta(microseconds=1))["m1"] == 20.0
    assert labels_known_at(measured, NOON + 2 * DAY)["m1"] == 21.0
    assert labels_known_at(measured, NOON + 30 * DAY) == {**as_declared, "m1": 21.0}


def test_feedback_is_read_once_and_nothing_of_it_is_lost(measured, tmp_path):
    told(tmp_path, "one", 20.0, NOON + DAY)
    told(tmp_path, "nobody", 7.0, NOON + DAY)
    first = facts(measured.run("data", DAYS), "feedback")
    assert (first["new_rows"], first["rows"], first["rows_of_unknown_requests"]) == (2, 2, 1)
    version = measured.workspace.lake.version("meters/feedback")
    again = facts(measured.run("data", DAYS), "feedback")
    assert (again["new_rows"], again["rows"]) == (0, 2)
    assert measured.workspace.lake.version("meters/feedback") == version
    rows = measured.workspace.lake.read("meters/feedback").to_pylist()
    assert {(r["request_id"], r["truth"], r["event_time"], r["meter"], r["by"]) for r in rows} == {
        ("one", "20.0", NOON, "m1", "shop"),
        ("nobody", "7.0", None, None, "shop"),
    }


def test_a_request_that_becomes_known_later_gets_its_truth(measured, tmp_path):
    told(tmp_path, "late", 7.0, NOON + DAY)
    assert facts(measured.run("data", DAYS), "feedback")["rows_of_unknown_requests"] == 1
    answered(tmp_path, "late", meter="m2")
    found = facts(measured.run("data", DAYS), "feedback")
    assert (found["new_rows"], found["rows"], found["rows_of_unknown_requests"]) == (1, 1, 0)
    assert labels_known_at(measured, NOON + 2 * DAY)["m2"] == 7.0


def test_an_old_truth_about_nothing_does_not_have_the_spool_read_again(measured, tmp_path):
    old = answered(tmp_path, "old")
    told(tmp_path, "nobody", 7.0, NOON + DAY)
    assert facts(measured.run("data", DAYS), "feedback")["rows_of_unknown_requests"] == 1
    made_unreadable(old)
    answered(tmp_path, "new", meter="m2", hour=13)
    told(tmp_path, "new", 8.0, NOON + DAY)
    found = facts(measured.run("data", DAYS), "feedback")
    assert (found["new_rows"], found["rows_of_unknown_requests"]) == (1, 1)
    told(tmp_path, "nobody else", 7.0, NOON + DAY)
    with pytest.raises(ArtefactError, match="damaged"):  # a new one is looked for everywhere
        measured.run("data", DAYS)


def test_a_new_truth_about_an_old_answer_is_found_after_a_look(measured, tmp_path):
    told(tmp_path, "nobody", 7.0, NOON + DAY)
    measured.run("data", DAYS)
    told(tmp_path, "three", 8.0, NOON + DAY)
    found = facts(measured.run("data", DAYS), "feedback")
    assert (found["new_rows"], found["rows_of_unknown_requests"]) == (1, 1)


@pytest.mark.parametrize("grown", [True, False])
def test_a_spool_that_comes_late_or_grows_is_looked_through(measured, tmp_path, grown):
    told(tmp_path, "late", 7.0, NOON + DAY)
    measured.run("data", DAYS)
    late = answered(tmp_path, "late", meter="m2", hour=3)
    long_ago = (NOON - 300 * DAY).timestamp()
    os.utime(late, (long_ago, long_ago))  # as a copy that keeps its times
    if grown:
        segment = late.parents[1] / "12" / "one.jsonl"
        segment.write_text(segment.read_text() + late.read_text())
        late.unlink()
    found = facts(measured.run("data", DAYS), "feedback")
    assert (found["new_rows"], found["rows_of_unknown_requests"]) == (1, 0)
    assert labels_known_at(measured, NOON + 2 * DAY)["m2"] == 7.0


def test_a_truth_is_taken_once_if_a_shadow_was_asked_too(measured, tmp_path):
    answered(tmp_path, "one", variant="shadow")
    told(tmp_path, "one", 20.0, NOON + DAY)
    found = facts(measured.run("data", DAYS), "feedback")
    assert (found["new_rows"], found["rows"]) == (1, 1)


def test_the_prediction_log_in_the_lake_is_enough(measured, tmp_path):
    measured.run("monitoring", DAYS, assets=["prediction_log"])
    for path in (tmp_path / "home" / "spool").rglob("one.jsonl"):
        path.unlink()
    told(tmp_path, "one", 20.0, NOON + DAY)
    assert facts(measured.run("data", DAYS), "feedback")["rows_of_unknown_requests"] == 0
    assert labels_known_at(measured, NOON + DAY)["m1"] == 20.0


def test_features_see_a_corrected_label_once_it_is_known_and_never_two(measured, tmp_path):
    told(tmp_path, "one", 20.0, NOON + timedelta(minutes=90))
    later = NOON + timedelta(hours=5)
    write(tmp_path, "b.csv", row("m1", later, 3))
    declared = replace(
        measured.declared,
        sql="SELECT v.meter, v.event_time, v.load, l.demand AS last_demand FROM validated_data v "
        "ASOF LEFT JOIN labels l ON l.meter = v.meter AND l.known_at <= v.event_time",
    )
    replace(measured, declared=declared).run("data", DAYS)
    rows = measured.workspace.lake.read("meters/feature_table").to_pylist()
    found = {(r["meter"], r["event_time"]): r["last_demand"] for r in rows}
    assert found[("m1", later)] == 20.0
    assert found[("m1", NOON)] is None
    assert len(rows) == 4


def test_the_sensor_reads_feedback_and_then_does_its_partitions_again(measured, tmp_path):
    measured.run("data", DAYS)
    begin = tick(measured, "feedback_sensor")
    assert begin.run_requests == []
    told(tmp_path, "one", 20.0, NOON + DAY)
    first = tick(measured, "feedback_sensor", begin.cursor)
    (request,) = first.run_requests
    assert request.job_name == "meters_feedback"
    job = measured.definitions.resolve_job_def("meters_feedback")
    assert job.execute_in_process(instance=measured.instance).success
    second = tick(measured, "feedback_sensor", first.cursor)
    (request,) = second.run_requests
    assert request.job_name == "meters_truth"
    for end in ("start", "end"):
        assert request.tags[f"dagster/asset_partition_range_{end}"] == "2024-01-01"
    third = tick(measured, "feedback_sensor", second.cursor)
    assert third.run_requests == []
    assert "No truth" in third.skip_message
    measured.run("truth", DAYS, assets=["labels"])
    assert labels_known_at(measured, NOON + DAY)["m1"] == 20.0
