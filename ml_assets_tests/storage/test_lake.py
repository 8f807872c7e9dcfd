import datetime as dt
import os
from pathlib import Path
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ml_assets.core.errors import LakeError
from ml_assets.storage.lake import Lake
from ml_assets_tests.storage.lake_rows import day, one, rows

TABLE = "plant/rows"


def counts(lake: Lake, version: int | None = None) -> dict[int, tuple[int, set[float]]]:
    """Number of rows and their values, by day of the month."""
    found: dict[int, tuple[int, set[float]]] = {}
    for row in lake.read(TABLE, version=version).to_pylist():
        count, values = found.get(row["_date"].day, (0, set()))
        found[row["_date"].day] = (count + 1, values | {row["value"]})
    return found


def test_a_range_is_replaced_and_the_rest_stays(lake: Lake) -> None:
    first = lake.replace(TABLE, rows(1, 2, 3, value=1.0))
    second = lake.replace(TABLE, rows(2, value=2.0, count=7), dates=one(2))
    assert counts(lake) == {1: (50, {1.0}), 2: (7, {2.0}), 3: (50, {1.0})}
    assert second == first + 1 == lake.version(TABLE)
    assert counts(lake, version=first)[2] == (50, {1.0})


def test_no_rows_empty_the_range(lake: Lake) -> None:
    lake.replace(TABLE, rows(1, 2))
    lake.replace(TABLE, rows(), dates=one(1))
    assert set(counts(lake)) == {2}


def test_no_rows_create_an_empty_table_with_its_columns(lake: Lake) -> None:
    assert not lake.exists(TABLE)
    assert lake.version(TABLE) is None
    lake.replace(TABLE, rows(), dates=one(1))
    empty = lake.read(TABLE)
    assert empty.num_rows == 0
    assert empty.schema.field("_time").type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize("existing", [True, False])
def test_rows_outside_the_range_are_refused_and_named(lake: Lake, existing: bool) -> None:
    if existing:
        lake.replace(TABLE, rows(1, 2))
    with pytest.raises(LakeError, match=r"2024-01-09.*(?s:.*)outside the range"):
        lake.replace(TABLE, rows(1, 9), dates=one(1))
    assert counts(lake) == ({1: (50, {0.0}), 2: (50, {0.0})} if existing else {})


def test_an_hour_is_replaced_by_a_further_predicate(lake: Lake) -> None:
    lake.replace(TABLE, rows(1, value=1.0, count=120))
    hour = "_time >= '2024-01-01T00:00:00Z' AND _time < '2024-01-01T01:00:00Z'"
    lake.replace(TABLE, rows(1, value=2.0, count=60), dates=one(1), predicate=hour)
    values = lake.read(TABLE)["value"].to_pylist()
    assert (values.count(1.0), values.count(2.0)) == (60, 60)


def test_a_stream_is_written(lake: Lake) -> None:
    with duckdb.connect() as connection:
        query = "SELECT DATE '2024-01-01' AS _date, i::DOUBLE AS value FROM range(5000) AS t(i)"
        lake.replace(TABLE, connection.sql(query).to_arrow_reader(1000), dates=one(1))
    assert sorted(lake.read(TABLE)["value"].to_pylist()) == list(range(5000))


def test_new_columns_are_added_and_missing_ones_filled(lake: Lake) -> None:
    lake.replace(TABLE, rows(1, count=1))
    wider = rows(2, count=1).append_column("note", pa.array(["new"]))
    lake.replace(TABLE, wider, dates=one(2))
    lake.replace(TABLE, rows(3, count=1), dates=one(3))
    noted = {row["_date"].day: row["note"] for row in lake.read(TABLE).to_pylist()}
    assert noted == {1: None, 2: "new", 3: None}


def test_a_column_in_no_file_is_still_there(lake: Lake) -> None:
    lake.replace(TABLE, rows(1, count=1))
    wider = rows(2, count=1).append_column("note", pa.array(["new"]))
    lake.replace(TABLE, wider, dates=one(2))
    lake.replace(TABLE, rows(), dates=one(2))
    assert lake.read(TABLE)["note"].to_pylist() == [None]


def test_another_type_is_refused_but_for_the_whole_table(lake: Lake) -> None:
    lake.replace(TABLE, pa.table({"count": pa.array([1], pa.int64())}))
    halves = pa.table({"count": [1.5]})
    with pytest.raises(LakeError, match=r"'count'.*int64.*double"):
        lake.append(TABLE, halves)
    lake.replace(TABLE, halves)
    assert lake.read(TABLE)["count"].to_pylist() == [1.5]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (pa.array([dt.datetime(2024, 1, 1)]), "time zone"),  # noqa: DTZ001
        (pa.array([None]), "CAST"),
        (pa.array([dt.time(1)]), "Convert"),
    ],
)
def test_a_type_that_cannot_be_kept_is_refused(lake: Lake, column: pa.Array, why: str) -> None:
    with pytest.raises(LakeError, match=why):
        lake.replace(TABLE, pa.table({"moment": column}))


def test_a_row_without_a_date_is_refused(lake: Lake) -> None:
    undated = pa.table({"_date": pa.array([None], pa.date32())})
    with pytest.raises(LakeError, match="no _date"):
        lake.replace(TABLE, undated)


@pytest.mark.parametrize(
    "name", ["../x/y", "plant/../../x", "/etc/x", "rows", "a/b/c", "a/", "%2e/a"]
)
def test_no_name_leads_out_of_the_lake(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match="no name of a table"):
        lake.replace(name, rows(1))


def test_a_folder_that_cannot_be_read_back_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="choose another"):
        Lake(str(tmp_path / "50%")).replace(TABLE, rows(1))


def test_a_view_has_types_and_stays_at_its_version(lake: Lake) -> None:
    version = lake.replace(TABLE, rows(1))
    with duckdb.connect() as connection:
        lake.register(connection, TABLE, name="my rows", version=version)
        lake.replace(TABLE, rows(2))
        described = {row[0]: row[1] for row in connection.sql('DESCRIBE "my rows"').fetchall()}
        assert described["_date"] == "DATE"
        assert described["_time"] == "TIMESTAMP WITH TIME ZONE"
        query = """SELECT DISTINCT _date FROM "my rows" WHERE _date < DATE '2024-02-01'"""
        assert connection.sql(query).fetchall() == [(day(1),)]


def test_a_view_of_a_missing_table_is_empty_or_says_what_to_do(lake: Lake) -> None:
    with duckdb.connect() as connection:
        columns = {"_date": "DATE", "v": "DOUBLE"}
        lake.register(connection, "plant/labels", name="labels", columns=columns)
        assert connection.sql("SELECT * FROM labels").fetchall() == []
        assert connection.sql("DESCRIBE labels").fetchall()[1][1] == "DOUBLE"
        with pytest.raises(LakeError, match="Materialise the asset plant/labels"):
            lake.register(connection, "plant/labels", name="labels")


def test_append_adds_rows(lake: Lake) -> None:
    lake.append(TABLE, rows(1))
    lake.append(TABLE, rows(1, value=1.0))
    assert counts(lake) == {1: (100, {0.0, 1.0})}


def test_history_names_every_commit(lake: Lake) -> None:
    lake.replace(TABLE, rows(1))
    lake.append(TABLE, rows(2))
    assert [commit.version for commit in lake.history(TABLE)] == [2, 1, 0]
    assert lake.history(TABLE)[0].at.tzinfo is dt.UTC


def test_compaction_changes_files_and_no_rows(lake: Lake) -> None:
    for _ in range(3):
        lake.append(TABLE, rows(1, 5))
    before = counts(lake)
    lake.compact(TABLE, before=day(2))
    assert counts(lake) == before
    assert len(_files(lake, 1)) == 4  # three small ones, which old versions name, and one
    assert len(_files(lake, 5)) == 3


def test_vacuum_keeps_what_kept_versions_name(lake: Lake) -> None:
    versions = [lake.replace(TABLE, rows(1, value=value)) for value in (1.0, 2.0, 3.0)]
    assert lake.vacuum(TABLE, keep_versions=[versions[0]]).files == 0  # all files are young
    (middle,) = _files_of(lake, versions[1])
    size = middle.stat().st_size
    gone = lake.vacuum(TABLE, keep_versions=[versions[0], 99], older_than=dt.timedelta(0))
    assert (gone.files, gone.size) == (1, size)
    assert not middle.exists()
    assert counts(lake, versions[0]) == {1: (50, {1.0})}
    assert counts(lake) == {1: (50, {3.0})}
    with pytest.raises(LakeError, match="vacuumed"):
        lake.read(TABLE, version=versions[1])
    with pytest.raises(LakeError, match="versions 0 to"):
        lake.read(TABLE, version=99)


def test_a_version_that_was_replaced_a_minute_ago_stays_however_old_its_files(lake: Lake) -> None:
    before = lake.replace(TABLE, rows(1, value=1.0))
    for path in _files(lake, 1):
        os.utime(path, (0, 0))
    lake.replace(TABLE, rows(1, value=2.0))
    assert lake.vacuum(TABLE, keep_versions=[]).files == 0
    assert counts(lake, before) == {1: (50, {1.0})}


def test_a_table_without_dates_is_not_compacted(lake: Lake) -> None:
    version = lake.replace(TABLE, pa.table({"value": [1.0]}))
    assert lake.compact(TABLE, before=day(2)) == version


def _files_of(lake: Lake, version: int) -> list[Path]:
    before = set(DeltaTable(f"{lake.root}/{TABLE}", version=version - 1).file_uris())
    return [
        Path(unquote(uri))
        for uri in DeltaTable(f"{lake.root}/{TABLE}", version=version).file_uris()
        if uri not in before
    ]


def _files(lake: Lake, number: int) -> list[Path]:
    return list(Path(lake.root, TABLE, f"_date={day(number)}").glob("*.parquet"))
