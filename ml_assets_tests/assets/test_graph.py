"""The graph that a declared problem yields."""

from pathlib import Path

import dagster as dg
import pytest
from ruamel.yaml import YAML

from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DeclarationError
from ml_assets.definitions import defs

ROOT = Path(__file__).parents[2]


def test_the_declared_problems_load():
    dg.Definitions.validate_loadable(defs())


def test_the_graph_keeps_its_shape(snapshot):
    graph = defs().resolve_asset_graph()
    assert snapshot == {
        key.to_user_string(): sorted(
            parent.to_user_string() for parent in graph.get(key).parent_keys
        )
        for key in sorted(graph.get_all_asset_keys())
        if key.path[0] == "plant"
    }


def test_checks_jobs_schedules_and_sensors_keep_their_names(snapshot):
    loaded = defs()
    repository = loaded.get_repository_def()
    assert snapshot == {
        "checks": sorted(
            f"{key.asset_key.to_user_string()}:{key.name}"
            for key in loaded.resolve_asset_graph().asset_check_keys
        ),
        "jobs": sorted(job.name for job in repository.get_all_jobs() if "__" not in job.name),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
    }


def test_every_asset_says_what_it_is():
    graph = defs().resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name != "default", key
        assert node.owners == ["team:plant"], key


def test_an_unknown_problem_is_named_with_the_nearest():
    with pytest.raises(DeclarationError, match="Did you mean 'plant'"):
        declared_problem("plants")


def pools_of(job, instance):
    run = instance.create_run_for_job(defs().get_repository_def().get_job(f"plant_{job}"))
    return set(run.run_op_concurrency.all_pools)


@pytest.mark.parametrize(
    ("one", "other", "turns"),
    [
        ("data", "data", True),
        ("data", "truth", True),  # both write labels
        ("monitoring", "truth", True),  # both write profiles
        ("training", "training", True),
        ("data", "monitoring", False),
        ("monitoring", "training", False),
        ("rehearsal", "training", False),
        ("scoring", "monitoring", False),
    ],
)
def test_runs_that_write_the_same_take_turns(one, other, turns):
    with dg.DagsterInstance.ephemeral() as instance:
        assert bool(pools_of(one, instance) & pools_of(other, instance)) == turns


@pytest.mark.parametrize("file", ["dagster.yaml", "deploy/dagster.yaml"])
def test_a_run_waits_for_its_pools(file):
    declared = YAML(typ="safe").load((ROOT / file).read_text())
    assert declared["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}
