from collections.abc import Iterator

import duckdb
import pytest

from ml_assets.core.errors import LakeError
from ml_assets.storage.lake import Lake
from ml_assets_tests.storage.lake_rows import day, one, rows
from ml_assets_tests.storage.s3_server import s3_server
from ml_assets_tests.storage.test_lake import TABLE, counts


@pytest.fixture
def bucket() -> Iterator[Lake]:
    with s3_server() as options:
        yield Lake("s3://bucket/lake", storage_options=options)


def test_a_table_lives_in_an_object_store(bucket: Lake) -> None:
    assert bucket.version(TABLE) is None
    first = bucket.replace(TABLE, rows(1, 2, value=1.0))
    bucket.replace(TABLE, rows(2, value=2.0), dates=one(2))
    assert counts(bucket) == {1: (50, {1.0}), 2: (50, {2.0})}
    assert counts(bucket, version=first) == {1: (50, {1.0}), 2: (50, {1.0})}
    with pytest.raises(LakeError, match="outside the range"):
        bucket.replace(TABLE, rows(3), dates=one(2))


def test_a_view_over_an_object_store_filters_by_date(bucket: Lake) -> None:
    bucket.replace(TABLE, rows(1, 2))
    with duckdb.connect() as connection:
        bucket.register(connection, TABLE, name="my rows")
        query = 'SELECT DISTINCT _date FROM "my rows" WHERE _date > ?'
        assert connection.execute(query, [day(1)]).fetchall() == [(day(2),)]
        assert connection.sql('SELECT typeof(_date) FROM "my rows" LIMIT 1').fetchall() == [
            ("DATE",)
        ]
