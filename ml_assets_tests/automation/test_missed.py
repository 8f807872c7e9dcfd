"""After an outage the schedules ask for all that was missed, in one run and not twice."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from ml_assets.assets.stage import KEY_FORMATS
from ml_assets.automation.missed import stretch
from ml_assets.automation.requests import range_tags
from ml_assets.core.window import Window, cut
from ml_assets_tests.journeys.test_automation import on_disk, scheduled
from ml_assets_tests.journeys.test_files import runner

__all__ = ["on_disk", "runner"]

START = "dagster/asset_partition_range_start"
END = "dagster/asset_partition_range_end"


def days(first, last):
    """Return the window from one day of January to another, both included."""
    return Window(datetime(2024, 1, first, tzinfo=UTC), datetime(2024, 1, last + 1, tzinfo=UTC))


def each(*numbers):
    return {days(number, number) for number in numbers}


PARTS = list(cut(days(1, 6), "day"))


@pytest.mark.parametrize(
    ("made", "waiting", "expected"),
    [
        ((), (), days(6, 6)),
        ((1, 2, 3), (), days(4, 6)),
        ((1, 2, 5), (), days(3, 6)),
        ((4, 5), (), days(6, 6)),
        ((4, 5, 6), (), days(6, 6)),
        ((1, 2), (3, 4, 5), days(6, 6)),
        ((1, 2), (3, 4, 5, 6), None),
        ((1, 2), (5, 6), days(3, 4)),
        ((), (6,), None),
    ],
    ids=[
        "nothing made: no backfill",
        "an outage",
        "a gap before one that was made",
        "history by hand",
        "made before it was over",
        "a run makes what was missed",
        "a run makes all",
        "what was missed before those that wait",
        "the first one is being made",
    ],
)
def test_the_stretch_goes_from_the_first_gap_to_the_newest(made, waiting, expected):
    assert stretch(PARTS, made=each(*made), waiting=each(*waiting)) == expected


@pytest.fixture
def six_days(on_disk):
    """The problem with six days that are over."""
    declared = on_disk.declared
    partitions = declared.problem.partitions.model_copy(update={"end": days(1, 6).end})
    problem = declared.problem.model_copy(update={"partitions": partitions})
    return replace(on_disk, declared=replace(declared, problem=problem))


def materialise(runner, asset, window):
    for part in cut(window, "day"):
        partition = f"{part.start:{KEY_FORMATS['day']}}"
        event = dg.AssetMaterialization(["meters", asset], partition=partition)
        runner.instance.report_runless_asset_event(event)


def asked(runner, name):
    """Return the first and the last day that a schedule asks for, and the run key."""
    return [(one.tags[START], one.tags[END], one.run_key) for one in scheduled(runner, name)]


def test_ingestion_makes_up_for_an_outage(six_days):
    assert asked(six_days, "ingestion")[0][:2] == ("2024-01-06", "2024-01-06")
    materialise(six_days, "raw_data", days(2, 3))
    [(first, last, key)] = asked(six_days, "ingestion")
    assert (first, last) == ("2024-01-04", "2024-01-06")
    assert asked(six_days, "ingestion")[0][2] == key


def test_what_a_run_is_about_to_make_is_not_asked_for_again(six_days):
    materialise(six_days, "raw_data", days(2, 3))
    job = six_days.definitions.resolve_job_def("meters_data")
    tags = range_tags(six_days.declared, days(4, 6))
    run = six_days.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert asked(six_days, "ingestion") == []
    six_days.instance.report_run_failed(run)
    assert asked(six_days, "ingestion")[0][:2] == ("2024-01-04", "2024-01-06")


def test_scoring_makes_up_for_an_outage_when_the_features_are_there(six_days):
    materialise(six_days, "feature_table", days(1, 3))
    assert asked(six_days, "scoring")[0][:2] == ("2024-01-06", "2024-01-06")
    materialise(six_days, "predictions", days(3, 3))
    assert asked(six_days, "scoring") == []
    materialise(six_days, "feature_table", days(4, 5))
    assert asked(six_days, "scoring")[0][:2] == ("2024-01-04", "2024-01-05")
    materialise(six_days, "feature_table", days(6, 6))
    assert asked(six_days, "scoring")[0][:2] == ("2024-01-04", "2024-01-06")
