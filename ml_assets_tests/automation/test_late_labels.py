"""Labels that come later than their rows are asked for once, and only where they came."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.automation.late_labels import due_since, labels_come_late
from ml_assets.components.loading import declared_problem
from ml_assets.core.problem import Label
from ml_assets.core.window import Window
from ml_assets_tests.journeys.test_automation import tick
from ml_assets_tests.journeys.test_files import DAYS, runner, write

__all__ = ["runner"]

START = "dagster/asset_partition_range_start"
END = "dagster/asset_partition_range_end"
NOON = datetime(2024, 1, 4, 12, tzinfo=UTC)


def day(number):
    return datetime(2024, 1, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (None, NOON, Window(day(3), day(4))),
        (day(2), NOON, Window(day(2), day(4))),
        (day(4), NOON, None),
        (day(3), day(4) + timedelta(hours=2), None),
        (day(3), day(4) + timedelta(hours=3), Window(day(3), day(4))),
    ],
    ids=["first look", "two days", "nothing since", "too early", "just due"],
)
def test_partitions_are_due_when_the_label_delay_is_over(seen, now, expected):
    declared = declared_problem("plant")
    partitions = declared.problem.partitions.model_copy(update={"start": day(1)})
    problem = declared.problem.model_copy(update={"partitions": partitions})
    declared = replace(declared, problem=problem)
    assert declared.problem.label.delay == timedelta(hours=3)
    assert due_since(declared, seen, now=now) == expected


def with_label_files(runner):
    """Return the runner of a problem whose labels are files of their own."""
    source = {"source": {"kind": "files", "path": "truth/*.csv"}, "time": {"columns": ["at"]}}
    label = Label.model_validate({"column": "truth", "delay": "PT1H", "source": source})
    problem = runner.declared.problem.model_copy(update={"label": label})
    return replace(runner, declared=replace(runner.declared, problem=problem))


def test_label_files_are_landed_and_then_their_partitions_are_made(runner, tmp_path):
    runner = with_label_files(runner)
    (tmp_path / "truth").mkdir()
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2", "m1,2024-01-02,3,4", "m1,2024-01-03,5,6")
    write(tmp_path, "../truth/first.csv", "m1,2024-01-01,9", header="meter,at,truth")
    runner.run("data", DAYS)
    first = tick(runner, "late_labels_sensor")
    assert {r.job_name for r in first.run_requests} == {"meters_labels", "meters_landing"}
    assert tick(runner, "late_labels_sensor", first.cursor).run_requests == []

    write(tmp_path, "../truth/late.csv", "m1,2024-01-02,7", header="meter,at,truth")
    second = tick(runner, "late_labels_sensor", first.cursor)
    assert [r.job_name for r in second.run_requests] == ["meters_landing"]
    job = runner.definitions.resolve_job_def("meters_landing")
    assert job.execute_in_process(instance=runner.instance).success
    third = tick(runner, "late_labels_sensor", second.cursor)
    [request] = third.run_requests
    assert request.job_name == "meters_labels"
    assert (request.tags[START], request.tags[END]) == ("2024-01-02", "2024-01-02")
    [again] = tick(runner, "late_labels_sensor", second.cursor).run_requests
    assert again.run_key == request.run_key

    runner.run("labels", Window(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)))
    rows = runner.workspace.lake.read("meters/labels").to_pylist()
    assert sorted((row["event_time"].day, row["truth"]) for row in rows) == [(1, 9.0), (2, 7.0)]


def test_labels_in_the_files_of_the_rows_are_never_late(runner):
    assert not labels_come_late(runner.declared)
    names = {sensor.name for sensor in runner.definitions.sensors}
    assert "meters_late_labels_sensor" not in names
