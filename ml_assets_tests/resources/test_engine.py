import duckdb
import pytest

from ml_assets.resources.engine import Engine


def test_dates_and_texts_of_moments_are_in_utc():
    with Engine().get_connection() as connection:
        assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
        told = connection.execute(
            "SELECT CAST(TIMESTAMPTZ '2024-01-01 23:30:00-02' AS VARCHAR)"
        ).fetchall()
        assert told == [("2024-01-02 01:30:00+00",)]


def use(opened):
    with Engine().get_connection() as connection:
        opened.append(connection)
        raise RuntimeError


def test_an_error_closes_the_connection():
    opened = []
    with pytest.raises(RuntimeError):
        use(opened)
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        opened[0].execute("SELECT 1")
