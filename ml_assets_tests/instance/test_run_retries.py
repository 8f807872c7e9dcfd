"""A run whose process died is tried again by the daemon; one with a failed step is not."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.storage.tags import ROOT_RUN_ID_TAG, WILL_RETRY_TAG
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

ROOT = Path(__file__).parents[2]
STEP_FAILED = JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE)


@dg.job
def landing():
    """Do nothing."""


@pytest.fixture(params=["dagster.yaml", "deploy/dagster.yaml"])
def instance(request, tmp_path):
    """An instance with what a configuration says of retries, and a storage of its own."""
    declared = yaml.safe_load((ROOT / request.param).read_text("utf-8"))
    retries = {"telemetry": {"enabled": False}, "run_retries": declared.get("run_retries", {})}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(retries))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def will_retry(instance, why=None, **group):
    run = instance.create_run_for_job(landing, status=dg.DagsterRunStatus.STARTED, **group)
    instance.report_run_failed(run, job_failure_data=why)
    return run.run_id, instance.get_run_by_id(run.run_id).tags.get(WILL_RETRY_TAG)


def test_a_run_whose_process_died_is_tried_again_twice(instance):
    first, tried_again = will_retry(instance)
    assert tried_again == "true"
    group = {"root_run_id": first, "parent_run_id": first, "tags": {ROOT_RUN_ID_TAG: first}}
    assert [will_retry(instance, **group)[1] for _ in range(2)] == ["true", "false"]
    assert EventLogConsumerDaemon.daemon_type() in instance.get_required_daemon_types()


def test_a_run_with_a_failed_step_is_left_to_people(instance):
    assert will_retry(instance, STEP_FAILED)[1] == "false"
