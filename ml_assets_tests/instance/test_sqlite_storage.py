"""The batching storage holds what Dagster's own storage holds."""

import warnings

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from ml_assets.instance.sqlite_storage import BATCH_SIZE_VARIABLE, BatchingEventLogStorage

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-10")
FIRST, LAST = "2024-01-01", "2024-02-09"
READINGS, SUMS = dg.AssetKey("readings"), dg.AssetKey("sums")


def daily(**more):
    """Return the decorator of an asset whose range is one run, as the project's assets are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)
        return dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), **more)


@daily()
def readings(context: dg.AssetExecutionContext):
    context.log_event(
        dg.AssetObservation(READINGS, partition=context.partition_keys[-1], metadata={"seen": 1})
    )
    return dg.MaterializeResult(metadata={"rows": 3}, tags={"source": "test"})


@daily(deps=[readings])
def sums():
    return dg.MaterializeResult(metadata={"total": 6.0})


@dg.asset_check(asset=sums)
def is_positive():
    return dg.AssetCheckResult(passed=True)


def backfilled(folder, kind):
    folder.mkdir(exist_ok=True)
    module = kind.__module__
    storage = {"module": module, "class": kind.__name__, "config": {"base_dir": f"{folder}/runs"}}
    overrides = {
        "event_log_storage": storage,
        "run_storage": {
            "module": "dagster._core.storage.runs",
            "class": "SqliteRunStorage",
            "config": {"base_dir": f"{folder}/history"},
        },
        "schedule_storage": {
            "module": "dagster._core.storage.schedules",
            "class": "SqliteScheduleStorage",
            "config": {"base_dir": f"{folder}/schedules"},
        },
        "telemetry": {"enabled": False},
    }
    instance = dg.DagsterInstance.local_temp(str(folder), overrides=overrides)
    job = dg.Definitions(assets=[readings, sums], asset_checks=[is_positive])
    tags = {
        "dagster/asset_partition_range_start": FIRST,
        "dagster/asset_partition_range_end": LAST,
    }
    run = job.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, tags=tags
    )
    return instance, run.run_id


def told(instance, run_id):
    """Return all that people and sensors ask of an event log."""
    log = instance.event_log_storage
    records = instance.fetch_materializations(READINGS, limit=1000, ascending=True).records
    latest = instance.get_latest_materialization_event(SUMS)
    check = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(SUMS, "is_positive"), limit=5
    )
    return {
        "partitions": {
            key: sorted(log.get_materialized_partitions(key)) for key in (READINGS, SUMS)
        },
        "planned": log.get_latest_planned_materialization_info(SUMS).storage_id,
        "records": [(r.partition_key, r.asset_materialization.metadata) for r in records],
        "ids": [r.storage_id - records[0].storage_id for r in records],
        "latest": latest.asset_materialization.partition,
        "tags": [
            sorted(tags)  # the values are hashes of the run's name
            for tags in log.get_event_tags_for_asset(
                READINGS, filter_event_id=records[0].storage_id
            )
        ],
        "observed": [
            r.partition_key for r in instance.fetch_observations(READINGS, limit=9).records
        ],
        "kinds": sorted(str(e.dagster_event_type) for e in instance.all_logs(run_id)),
        "assets": sorted(log.all_asset_keys()),
        "checks": [execution.status for execution in check],
    }


@pytest.fixture
def batches(monkeypatch):
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, "15")


@pytest.mark.usefixtures("batches")
def test_a_backfill_is_told_as_by_the_plain_storage(tmp_path):
    plain = backfilled(tmp_path / "plain", SqliteEventLogStorage)
    batched = backfilled(tmp_path / "batched", BatchingEventLogStorage)
    assert told(*batched) == told(*plain)
    assert len(told(*batched)["partitions"][SUMS]) == 40


@pytest.mark.usefixtures("batches")
def test_a_backfill_takes_few_transactions(tmp_path, monkeypatch):
    opened = []
    connect = BatchingEventLogStorage._connect
    monkeypatch.setattr(
        BatchingEventLogStorage,
        "_connect",
        lambda self, shard: opened.append(shard) or connect(self, shard),
    )
    backfilled(tmp_path, BatchingEventLogStorage)
    events = 2 * 2 * 40
    assert len(opened) < events


def test_dagster_yaml_names_this_storage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(BATCH_SIZE_VARIABLE, raising=False)
    root = __file__.rpartition("/ml_assets_tests/")[0]
    with dg.DagsterInstance.from_config(root) as instance:
        assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
        assert instance._get_event_batch_size() > 100
    monkeypatch.delenv(BATCH_SIZE_VARIABLE)
