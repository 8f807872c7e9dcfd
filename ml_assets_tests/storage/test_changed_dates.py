"""Only the dates whose rows differ are written again."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ml_assets.storage.changed_dates import replace_changed
from ml_assets.storage.lake import Lake
from ml_assets.storage.placement import Placement
from ml_assets_tests.storage.lake_rows import day, rows

TABLE = "plant/rows"
THREE_DAYS = Placement((day(1), day(4)), None, "_date >= '2024-01-01' AND _date < '2024-01-04'")


def replaced(lake: Lake, new: pa.Table, placement: Placement = THREE_DAYS) -> int:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return replace_changed(connection, lake, TABLE, new, placement)


def files(lake: Lake) -> set[str]:
    return {str(path) for path in Path(lake.root).rglob("*.parquet")}


def content(lake: Lake, table: str = TABLE) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in lake.read(table).to_pylist())


def test_the_same_rows_make_no_version_and_no_file(lake: Lake) -> None:
    version = replaced(lake, rows(1, 2, 3))
    before = files(lake)
    assert replaced(lake, rows(3, 1, 2)) == version
    assert files(lake) == before


@pytest.mark.parametrize(
    ("new", "written"),
    [
        (pa.concat_tables([rows(1, 3), rows(2, value=1.0)]), {2}),
        (pa.concat_tables([rows(1, 3), rows(2, count=51)]), {2}),
        (pa.concat_tables([rows(1, 3), rows(2), rows(2, count=1)]), {2}),  # one row twice
        (rows(1, 2), set()),  # a day without rows needs no file
        (pa.concat_tables([rows(2), rows(1, 3, value=float("nan"))]), {1, 3}),
        (rows(1, 2, 3).append_column("note", pa.array(["new"] * 150)), {1, 2, 3}),
    ],
)
def test_what_differs_is_replaced_and_nothing_else(
    lake: Lake, new: pa.Table, written: set[int]
) -> None:
    version = replaced(lake, rows(1, 2, 3))
    before = files(lake)
    assert replaced(lake, new) == version + 1
    added = {Path(path).parent.name for path in files(lake) - before}
    assert added == {f"_date={day(number)}" for number in written}
    lake.replace("plant/expected", new)
    assert content(lake) == content(lake, "plant/expected")
    assert replaced(lake, new) == version + 1


def test_an_hour_that_differs_leaves_the_other_hours_of_its_date(lake: Lake) -> None:
    replaced(lake, rows(1, 2, count=120))
    hour = "_time >= '2024-01-01T01:00:00Z' AND _time < '2024-01-01T02:00:00Z'"
    placement = Placement(
        (day(1), day(2)), hour, f"_date >= '2024-01-01' AND _date < '2024-01-02' AND {hour}"
    )
    second = rows(1, count=120, value=1.0).slice(60)
    replaced(lake, second, placement)
    found = lake.read(TABLE, where="_date = '2024-01-01'").to_pylist()
    assert {(row["_time"].hour, row["value"]) for row in found} == {(0, 0.0), (1, 1.0)}
    assert len(lake.read(TABLE)) == 240


def test_rows_of_another_range_are_not_looked_at(lake: Lake) -> None:
    replaced(lake, rows(1, 2, 3))
    first = Placement((day(1), day(2)), None, "_date = '2024-01-01'")
    version = lake.version(TABLE)
    assert replaced(lake, rows(1), first) == version
    assert replaced(lake, rows(), first) == version + 1
    assert {row["_date"].day for row in lake.read(TABLE).to_pylist()} == {2, 3}
    assert datetime(2024, 1, 2, tzinfo=UTC) in lake.read(TABLE)["_time"].to_pylist()
