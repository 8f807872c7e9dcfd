"""Files that come again, come late, change, or are copied."""

import textwrap
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from ml_assets.components.execution import ProblemRunner
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

CONTRACT = """
import pandera.pandas as pa


class Meter(pa.DataFrameModel):
    meter: str
    load: float = pa.Field(ge=0, le=100)
    demand: float = pa.Field(ge=0)
"""
FEATURES = "SELECT meter, event_time, load FROM validated_data"
DAYS = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 4, tzinfo=UTC))


@pytest.fixture
def runner(tmp_path, monkeypatch):
    folder = tmp_path / "problem"
    folder.mkdir()
    (tmp_path / "in").mkdir()
    (folder / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (folder / "features.sql").write_text(FEATURES)
    problem = Problem.model_validate(
        {
            "name": "meters",
            "task": "regression",
            "source": {"kind": "files", "path": "in/*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": "2024-01-01", "end": "2024-01-04"},
            "keys": ["meter"],
            "quality": {"max_rejected": 1.0},
            "label": {"column": "demand", "delay": "PT1H"},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
        }
    )
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        yield ProblemRunner(
            DeclaredProblem.load(problem, folder), Workspace(tmp_path / "home"), instance
        )


def write(tmp_path, name, *rows, header="meter,at,load,demand"):
    (tmp_path / "in" / name).write_text("\n".join([header, *rows, ""]))


def loads(runner):
    rows = runner.workspace.lake.read("meters/validated_data").to_pylist()
    return sorted((row["meter"], row["event_time"].day, row["load"]) for row in rows)


def versions(runner):
    lake = runner.workspace.lake
    return [lake.version(f"meters/{table}") for table in ("raw_data",)]


def test_the_same_file_twice_changes_nothing(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2", "m1,2024-01-02,3,4")
    runner.run("data", DAYS)
    before = versions(runner)
    runner.run("data", DAYS)
    assert versions(runner) == before
    assert loads(runner) == [("m1", 1, 1.0), ("m1", 2, 3.0)]


def test_a_late_file_and_a_restated_one_take_their_place(runner, tmp_path):
    write(tmp_path, "b.csv", "m1,2024-01-02,3,4", "m1,2024-01-03,5,6")
    runner.run("data", DAYS)
    write(tmp_path, "a_late.csv", "m1,2024-01-01,1,2")
    write(tmp_path, "b.csv", "m1,2024-01-02,33,4")
    runner.run("data", DAYS)
    assert loads(runner) == [("m1", 1, 1.0), ("m1", 2, 33.0)]
    history = runner.workspace.files.history("meters", str(tmp_path / "in" / "b.csv"), "raw_data")
    assert [record.status for record in history] == ["superseded", "landed"]


def test_a_copy_of_a_file_adds_nothing_and_takes_nothing_along(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2")
    write(tmp_path, "same.csv", "m1,2024-01-01,1,2")
    runner.run("data", DAYS)
    assert loads(runner) == [("m1", 1, 1.0)]
    assert len(runner.workspace.lake.read("meters/raw_data")) == 1
    write(tmp_path, "later.csv", "m1,2024-01-01,1,2")
    runner.run("data", DAYS)
    write(tmp_path, "same.csv", "m2,2024-01-01,5,6")
    write(tmp_path, "later.csv", "m3,2024-01-02,5,6")
    runner.run("data", DAYS)
    assert loads(runner) == [("m1", 1, 1.0), ("m2", 1, 5.0), ("m3", 2, 5.0)]
    write(tmp_path, "a.csv", "m4,2024-01-01,7,8")
    runner.run("data", DAYS)
    assert loads(runner) == [("m2", 1, 5.0), ("m3", 2, 5.0), ("m4", 1, 7.0)]


def test_a_partition_over_the_rejection_rate_blocks(runner, tmp_path):
    quality = runner.declared.problem.quality.model_copy(update={"max_rejected": 0.5})
    problem = runner.declared.problem.model_copy(update={"quality": quality})
    strict = replace(runner, declared=replace(runner.declared, problem=problem))
    rows = [f"m{n},2024-01-01,999,2" for n in range(30)]
    write(tmp_path, "a.csv", "m1,2024-01-02,1,2", *rows)
    result = strict.run("data", DAYS, raise_on_error=False)
    assert not result.success
    assert not runner.workspace.lake.exists("meters/feature_table")
    (told,) = [
        check.description
        for check in result.get_asset_check_evaluations()
        if check.check_name == "few_rows_rejected"
    ]
    assert "More are on 2024-01-01. less_than_or_equal_to(100) in 'load': 30 rows" in told
    assert "most often '999" in told


def test_days_without_rows_are_materialised_as_empty(runner, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01,1,2")
    result = runner.run("data", DAYS)
    assert result.success
    (volume,) = [
        c for c in result.get_asset_check_evaluations() if c.check_name == "volume_as_usual"
    ]
    assert volume.metadata["low_partitions"].value == 2


def test_a_row_that_came_late_brings_its_label_then(runner, tmp_path):
    time = runner.declared.problem.time.model_copy(update={"known_at": "seen"})
    problem = runner.declared.problem.model_copy(update={"time": time})
    late = replace(runner, declared=replace(runner.declared, problem=problem))
    rows = ("m1,2024-01-01,1,2,2024-01-01 00:10:00", "m2,2024-01-01,1,3,2024-01-06 15:00:00")
    write(tmp_path, "a.csv", *rows, header="meter,at,load,demand,seen")
    late.run("data", DAYS)
    found = runner.workspace.lake.read("meters/labels").to_pylist()
    known = {row["meter"]: row["known_at"].replace(tzinfo=UTC) for row in found}
    assert known == {
        "m1": datetime(2024, 1, 1, 1, tzinfo=UTC),  # event and delay
        "m2": datetime(2024, 1, 6, 15, tzinfo=UTC),
    }
