"""Which partitions a run asks for."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ml_assets.assets.stage import PARTITION, RANGE_END, RANGE_START, window_of_run
from ml_assets.core.window import Window


def day(number):
    return datetime(2024, 1, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tags", "first", "last"),
    [
        ({PARTITION: "2024-01-03"}, 3, 4),
        ({RANGE_START: "2024-01-02", RANGE_END: "2024-01-05"}, 2, 6),
        ({}, 1, 11),
    ],
    ids=["one", "range", "all"],
)
def test_a_run_asks_for_its_partitions_by_tags(tags, first, last):
    partitions = SimpleNamespace(start=day(1), end=day(11), every="day")
    problem = SimpleNamespace(name="p", partitions=partitions)
    assert window_of_run(problem, tags) == Window(day(first), day(last))
