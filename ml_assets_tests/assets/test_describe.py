"""What a materialisation tells: each partition its rows, the last one all that the run found."""

from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa

from ml_assets.assets.describe import rows_by_partition
from ml_assets.core.window import Window
from ml_assets_tests.journeys.test_files import DAYS, runner, write

__all__ = ["runner"]

EACH = {"lake_version", "dagster/partition_row_count"}


def told(result, asset):
    key = dg.AssetKey(["meters", asset])
    return {
        event.partition: event.step_materialization_data.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == key
    }


def test_a_range_is_told_once_and_each_partition_has_its_own_rows(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2", "m2,2024-01-01,1,2", "m1,2024-01-03,3,-4")
    result = runner.run("data", DAYS)
    rows = {"raw_data": [2, 0, 1], "validated_data": [2, 0, 0], "rejected_rows": [0, 0, 1]}
    for asset, counts in {**rows, "labels": [2, 0, 0], "feature_table": [2, 0, 0]}.items():
        *others, last = (metadata for _, metadata in sorted(told(result, asset).items()))
        observed = [m["dagster/partition_row_count"].value for m in (*others, last)]
        assert observed == counts, asset
        assert all(set(metadata) == EACH for metadata in others), asset
        assert last["partitions_of_the_run"].value == 3
        assert "dagster/column_schema" in last


def test_one_partition_tells_everything(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2", "m1,2024-01-02,3,4")
    day = Window(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))
    metadata = told(runner.run("data", day), "feature_table")["2024-01-02"]
    assert metadata["rows"].value == 1
    assert "partitions_of_the_run" not in metadata
    columns = {c.name: c.description for c in metadata["dagster/column_schema"].schema.columns}
    assert columns["load"] == "From validated_data.load."


def origins(runner, asset):
    metadata = runner.definitions.resolve_asset_graph().get(dg.AssetKey(["meters", asset])).metadata
    value = metadata["dagster/column_lineage"]
    value = value.value if isinstance(value, dg.MetadataValue) else value
    return {
        column: [(dep.asset_key.to_user_string(), dep.column_name) for dep in deps]
        for column, deps in value.deps_by_column.items()
    }


def test_columns_name_those_they_are_made_from(runner):
    assert origins(runner, "validated_data")["load"] == [("meters/raw_data", "load")]
    assert origins(runner, "labels") == {
        "_date": [("meters/validated_data", "_date")],
        "meter": [("meters/validated_data", "meter")],
        "event_time": [("meters/validated_data", "event_time")],
        "demand": [("meters/validated_data", "demand")],
        "known_at": [("meters/validated_data", "event_time")],
    }
    assert origins(runner, "feature_table")["load"] == [("meters/validated_data", "load")]
    assert origins(runner, "predictions")["prediction"] == [("meters/feature_table", "load")]


def test_rows_of_hourly_partitions_are_counted_by_the_hour(runner):
    hourly = runner.declared.problem.partitions.model_copy(update={"every": "hour"})
    problem = runner.declared.problem.model_copy(update={"partitions": hourly})
    times = [datetime(2024, 1, 1, 5, minute, tzinfo=UTC) for minute in (0, 59)]
    table = pa.table({"_time": [*times, datetime(2024, 1, 1, 6, tzinfo=UTC)]})
    counted = rows_by_partition(problem, table, moment="_time")
    assert counted == {"2024-01-01-05:00": 2, "2024-01-01-06:00": 1}
