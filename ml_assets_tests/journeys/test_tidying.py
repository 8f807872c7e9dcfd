"""The disk does not fill by itself: what nobody can ask for is deleted, and nothing else."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner

from ml_assets.automation.jobs import table_names
from ml_assets.cli.app import app
from ml_assets.core.errors import ArtefactError, LakeError
from ml_assets.core.model_version import ModelVersion
from ml_assets.core.reference import Reference
from ml_assets.core.training import Configuration
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.tidying import tidy
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.versions import store_version
from ml_assets_tests.journeys.test_feedback import NOON, answered, told
from ml_assets_tests.journeys.test_files import DAYS, runner, write

__all__ = ["runner"]

TABLES = ("feature_table", "labels", "validated_data")
CUTOFF = DAYS.end


def restated(runner, tmp_path, demand):
    """Bring the same rows with another truth, and return the recipe over what came of it."""
    write(tmp_path, "a.csv", f"m1,2024-01-01,1,{demand}", f"m1,2024-01-02,3,{demand}")
    runner.run("data", DAYS)
    return TrainingRecipe.of_today(runner.workspace.lake, runner.declared, CUTOFF)


def demands(runner, recipe):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lake = runner.workspace.lake
        return set(read_training_set(connection, lake, runner.declared, recipe).frame["demand"])


def trained(runner, recipe):
    """Store a version as training does, and return its artefact."""
    configuration = Configuration(
        name="ridge", kind="candidate", estimator="sklearn.linear_model.Ridge"
    )
    version = ModelVersion("meters", CUTOFF, configuration, recipe.to_json(), "f", "1", 0, 2)
    reference = Reference(
        columns={}, window=timedelta(hours=1), chunk_rows=1, rows=2, phases=1, mixes={}
    )
    digest = store_version(runner.workspace, version, b"model", reference)
    details = {"artefact": digest}
    runner.workspace.ledger.record(
        "meters", "trained", version.name, reason="", details=details, at=CUTOFF
    )
    return digest


def two_days_later(lake):
    """Make all that was ever written, and replaced, two days older."""
    ago = timedelta(days=2)
    for log in Path(lake.root).glob("*/*/_delta_log/*.json"):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:
            if "remove" in action:
                action["remove"]["deletionTimestamp"] -= int(ago.total_seconds() * 1000)
        log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    then = time.time() - ago.total_seconds()
    for path in Path(lake.root).rglob("*.parquet"):
        os.utime(path, (then, then))


def tidied(runner):
    now = datetime.now(tz=UTC)
    return tidy(runner.workspace, runner.declared, known=table_names(runner.declared), now=now)


def used(lake):
    return sum(path.stat().st_size for path in Path(lake.root).rglob("*.parquet"))


@pytest.fixture
def lake(runner):
    return runner.workspace.lake


def test_the_job_frees_what_no_recipe_names_and_keeps_what_one_does(runner, lake, tmp_path):
    served, forgotten, begun = (restated(runner, tmp_path, demand) for demand in (1, 2, 3))
    trained(runner, served)
    files = {"recipe.json": as_json(begun.to_json())}
    runner.workspace.outputs.put("meters", CUTOFF, "training_set", files)
    newest = restated(runner, tmp_path, 4)
    before = used(lake)
    two_days_later(lake)
    job = runner.definitions.resolve_job_def("meters_tidying")
    assert job.execute_in_process(instance=runner.instance).success
    assert used(lake) < before
    kept = {"served": served, "begun": begun, "newest": newest}
    assert {name: demands(runner, recipe) for name, recipe in kept.items()} == {
        "served": {1.0},
        "begun": {3.0},
        "newest": {4.0},
    }
    with pytest.raises(LakeError, match="vacuumed"):
        demands(runner, forgotten)


def test_a_day_of_the_prediction_log_without_new_answers_is_not_written_again(
    runner, lake, tmp_path
):
    def logged():
        runner.run("monitoring", DAYS, assets=["prediction_log"])
        return set(Path(lake.root).rglob("*.parquet"))

    answered(tmp_path, "one")
    answered(tmp_path, "two", event_time=NOON + timedelta(days=1))
    first = logged()
    version = lake.version("meters/prediction_log")
    assert logged() == first
    assert lake.version("meters/prediction_log") == version
    answered(tmp_path, "three", event_time=NOON + timedelta(days=1), hour=13)
    (added,) = logged() - first
    assert added.parent.name == "_date=2024-01-02"
    ids = lake.read("meters/prediction_log")["request_id"].to_pylist()
    assert sorted(ids) == ["one", "three", "two"]


def test_what_was_replaced_within_a_day_stays(runner, lake, tmp_path):
    held, _ = restated(runner, tmp_path, 1), restated(runner, tmp_path, 2)
    assert {deleted.files for deleted in tidied(runner).tables.values()} == {0}
    assert demands(runner, held) == {1.0}
    two_days_later(lake)
    gone = tidied(runner).tables
    assert all(gone[table].files and gone[table].size for table in ("labels", "validated_data"))


def test_nothing_is_deleted_while_a_recipe_cannot_be_read(runner, lake, tmp_path):
    served, _ = restated(runner, tmp_path, 1), restated(runner, tmp_path, 2)
    damaged = runner.workspace.artefacts.folder(trained(runner, served)) / "version.json"
    damaged.chmod(0o644)
    damaged.write_text("{}")
    two_days_later(lake)
    with pytest.raises(ArtefactError, match="changed"):
        tidied(runner)
    assert demands(runner, served) == {1.0}


def test_the_feedback_of_a_day_is_merged_and_every_version_stays(runner, lake, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2")
    for number in range(3):
        told(tmp_path, f"nobody{number}", 7.0, NOON)
        runner.run("data", DAYS)
    seen = lake.version("meters/feedback")
    two_days_later(lake)
    tidied(runner)
    two_days_later(lake)
    tidied(runner)
    assert lake.version("meters/feedback") > seen
    for version in (seen, None):
        assert len(lake.read("meters/feedback", version=version)) == 3


def test_the_command_says_what_was_freed(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_ASSETS_HOME", str(tmp_path / "home"))
    draft = tmp_path / "home" / "artefacts" / ".draft-1"
    draft.mkdir(parents=True)
    (draft / "model.skops").write_bytes(bytes(2_000_000))
    for path in (draft / "model.skops", draft):
        os.utime(path, (0, 0))
    result = CliRunner().invoke(app, ["tidy", "plant"])
    assert result.exit_code == 0, result.output
    assert "1 files, 2.0 MB" in result.stdout
    assert not draft.exists()


def test_the_schedule_is_off_until_someone_turns_it_on(runner):
    schedule = runner.definitions.get_repository_def().get_schedule_def("meters_tidying_schedule")
    assert schedule.job_name == "meters_tidying"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
