"""Sensors and schedules ask for the runs they should, and record why when they do not."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.report import ChangeReport
from ml_assets.core.errors import LedgerError
from ml_assets.storage.acceptance import accept_data
from ml_assets.storage.alert_sources import monitoring_signals
from ml_assets.storage.change_reports import NamedChange, as_named, change_table
from ml_assets.storage.drift_reports import SCHEMA, episodes
from ml_assets.storage.retrainings import KIND
from ml_assets_tests.journeys.test_files import runner, write

__all__ = ["runner"]


def tick(runner, name, cursor=None):
    repository = runner.definitions.get_repository_def()
    sensor = repository.get_sensor_def(f"{runner.declared.problem.name}_{name}")
    with dg.build_sensor_context(
        instance=runner.instance,
        cursor=cursor,
        repository_def=repository,
        resources={"workspace": runner.workspace},
    ) as context:
        return sensor.evaluate_tick(context)


def test_a_new_file_is_landed_and_then_its_partitions_are_made(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-02,1,2")
    first = tick(runner, "new_content_sensor")
    assert [request.job_name for request in first.run_requests] == ["meters_landing"]
    assert (
        runner.definitions.resolve_job_def("meters_landing")
        .execute_in_process(instance=runner.instance)
        .success
    )
    second = tick(runner, "new_content_sensor", first.cursor)
    (request,) = second.run_requests
    assert request.job_name == "meters_data"
    assert request.tags["dagster/asset_partition_range_start"] == "2024-01-02"
    assert request.tags["dagster/asset_partition_range_end"] == "2024-01-02"
    third = tick(runner, "new_content_sensor", second.cursor)
    assert third.run_requests == []
    assert "No content is new" in third.skip_message


@pytest.fixture
def on_disk(runner, tmp_path_factory):
    """The problem with an instance on disk: a schedule opens no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield replace(runner, instance=instance)


def scheduled(runner, name):
    """Return what a schedule asks for."""
    schedule = runner.definitions.get_repository_def().get_schedule_def(f"meters_{name}_schedule")
    with dg.build_schedule_context(
        instance=runner.instance, scheduled_execution_time=datetime(2024, 1, 4, tzinfo=UTC)
    ) as context:
        return schedule.evaluate_tick(context).run_requests


@pytest.mark.parametrize(
    ("name", "job"), [("ingestion", "meters_data"), ("scoring", "meters_scoring")]
)
def test_the_schedules_ask_for_the_partitions_that_are_over(on_disk, name, job):
    [request] = scheduled(on_disk, name)
    assert request.job_name == job
    assert request.tags["dagster/asset_partition_range_end"] == "2024-01-03"


def verdict(hour, state, severity=None, columns=()):
    return {
        "_date": datetime(2024, 1, 3, tzinfo=UTC).date(),
        "window_start": datetime(2024, 1, 3, hour, tzinfo=UTC),
        "version": "v1",
        "state": state,
        "severity": severity,
        "rows": 300,
        "columns": json.dumps(list(columns)),
        "findings": "[]",
    }


@pytest.mark.parametrize(
    ("severity", "asked"), [("retrain", True), ("data_fault", False), ("warn", False)]
)
def test_drift_retrains_once_and_a_data_fault_never(runner, severity, asked):
    workspace = runner.workspace
    now = datetime(2024, 1, 3, tzinfo=UTC)
    workspace.ledger.record("meters", "trained", "v1", reason="test", at=now)
    workspace.ledger.record("meters", "promoted", "v1", reason="test", at=now)
    rows = [verdict(3, "quiet"), verdict(4, "drift", severity, ["residual"])]
    workspace.lake.replace("meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
    first = tick(runner, "drift_sensor")
    assert bool(first.run_requests) == asked
    decided = workspace.decisions.recent("meters", KIND)
    assert [one.outcome for one in decided] == ["retrain" if asked else "keep"]
    assert decided[0].reason
    again = tick(runner, "drift_sensor", first.cursor)
    assert again.run_requests == []
    forgotten = tick(runner, "drift_sensor")
    assert forgotten.run_requests == []
    assert len(workspace.decisions.recent("meters", KIND)) == 2


def test_a_retraining_that_dagster_never_heard_of_is_asked_for_again(runner, monkeypatch):
    workspace, now = runner.workspace, datetime(2024, 1, 3, tzinfo=UTC)
    workspace.ledger.record("meters", "trained", "v1", reason="test", at=now)
    workspace.ledger.record("meters", "promoted", "v1", reason="test", at=now)
    rows = [verdict(3, "quiet"), verdict(4, "drift", "retrain", ["residual"])]
    workspace.lake.replace("meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
    (asked,) = tick(runner, "drift_sensor").run_requests
    assert tick(runner, "drift_sensor").run_requests == []  # it may be starting
    monkeypatch.setattr("ml_assets.automation.retraining.LOST_AFTER", timedelta(0))
    (again,) = tick(runner, "drift_sensor").run_requests
    assert (again.run_key, again.tags) == (asked.run_key, asked.tags)
    job = runner.definitions.resolve_job_def("meters_training")
    runner.instance.create_run_for_job(
        job, tags={"dagster/run_key": asked.run_key}, asset_selection=None
    )
    assert tick(runner, "drift_sensor").run_requests == []


def test_a_fault_that_is_accepted_is_no_fault_from_then_on(runner):
    workspace, now = runner.workspace, datetime(2024, 1, 3, tzinfo=UTC)
    with pytest.raises(LedgerError, match="none to accept"):
        accept_data(workspace, runner.declared, reason="test")
    workspace.ledger.record("meters", "trained", "v1", reason="test", at=now)
    workspace.ledger.record("meters", "promoted", "v1", reason="test", at=now)
    finding = {"column": "a", "kind": "missing_rate", "effect": 0.2, "p_value": 0.0}
    faulty = verdict(4, "drift", "data_fault", ["a"]) | {"findings": json.dumps([finding])}
    rows = [verdict(3, "quiet"), faulty]
    workspace.lake.replace("meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
    assert tick(runner, "drift_sensor").run_requests == []
    assert "ml-assets accept meters" in signals(runner)[0].what
    accept_data(workspace, runner.declared, reason="a new kind of meter")
    assert "world as it is" in signals(runner)[0].what
    assert tick(runner, "drift_sensor").run_requests
    (decided, before) = workspace.decisions.recent("meters", KIND)
    assert (decided.outcome, before.outcome) == ("retrain", "keep")


def signals(runner):
    return monitoring_signals(
        runner.workspace, runner.declared, datetime(2024, 1, 3, 5, tzinfo=UTC)
    )


def test_no_window_no_decision(runner):
    result = tick(runner, "drift_sensor")
    assert result.run_requests == []
    assert "No new window" in result.skip_message
    assert runner.workspace.decisions.recent("meters", KIND) == []


def test_a_change_that_was_named_a_data_fault_retrains_nothing(runner):
    workspace = runner.workspace
    now = datetime(2024, 1, 3, tzinfo=UTC)
    workspace.ledger.record("meters", "trained", "v1", reason="test", at=now)
    workspace.ledger.record("meters", "promoted", "v1", reason="test", at=now)
    rows = [verdict(3, "quiet"), verdict(4, "drift", "retrain", ["residual"])]
    workspace.lake.replace("meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
    (episode,) = episodes(workspace, runner.declared, "v1")
    since = datetime(2024, 1, 3, 4, tzinfo=UTC)
    fault = Fault("changed_unit", ("a",), since, "is times 10")
    report = ChangeReport("data_fault", since, since + timedelta(hours=1), "", faults=(fault,))
    table = change_table(runner.declared, [NamedChange(episode, report)])
    workspace.lake.replace("meters/change_reports", table)
    assert tick(runner, "drift_sensor").run_requests == []
    (decision,) = workspace.decisions.recent("meters", KIND)
    assert "'a'" in decision.reason
    # A look before the report was made knows nothing of it.
    assert as_named(workspace, runner.declared, episode, until=since) == episode


def test_a_fault_that_was_named_is_as_old_as_the_reports_that_name_the_same(runner):
    workspace, now = runner.workspace, datetime(2024, 1, 3, tzinfo=UTC)
    workspace.ledger.record("meters", "trained", "v1", reason="test", at=now)
    rows = [verdict(3, "quiet"), verdict(4, "drift", "retrain", ["residual"])]
    workspace.lake.replace("meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
    (episode,) = episodes(workspace, runner.declared, "v1")
    reports = []
    for hour, column in ((6, "a"), (7, "b"), (8, "a"), (9, "a")):
        fault = Fault("changed_unit", (column,), episode.opened, "is times 10")
        until = datetime(2024, 1, 3, hour, tzinfo=UTC)
        report = ChangeReport("data_fault", episode.opened, until, "", faults=(fault,))
        reports.append(NamedChange(episode, report))
    table = change_table(runner.declared, reports)
    workspace.lake.replace("meters/change_reports", table)
    named = as_named(workspace, runner.declared, episode, until=None)
    window = runner.declared.problem.monitoring.window
    assert (named.severity, named.columns, named.fault_windows) == ("data_fault", ("a",), 2)
    assert named.fault_since == datetime(2024, 1, 3, 8, tzinfo=UTC) - window
