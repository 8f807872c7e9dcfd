"""The two experiments on features.sql."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ml_assets.core.feature_query import FeatureQuery
from ml_assets.core.feature_views import History
from ml_assets.core.time_travel import (
    changes_with_a_longer_past,
    changes_without_the_future,
)

START = datetime(2024, 1, 1, tzinfo=UTC)
MOMENTS = [START + timedelta(hours=hours) for hours in (30, 41, 55)]
SIX_HOURS = History(timedelta(hours=6), timedelta(hours=6))
RECENT = (
    "avg(x) OVER (ORDER BY event_time RANGE BETWEEN INTERVAL {hours} HOUR PRECEDING "
    "AND CURRENT ROW) AS recent"
)


@pytest.fixture
def connection():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        """
        CREATE TABLE all_validated_data AS
        SELECT TIMESTAMPTZ '2024-01-01 00:00+00' + INTERVAL (i) HOUR AS event_time,
               sin(i * 7) AS x FROM range(100) t(i);
        CREATE TABLE all_labels AS
        SELECT event_time, 10 * x AS y, event_time + INTERVAL 3 HOUR AS known_at
        FROM all_validated_data;
        """
    )
    return connection


def changed(experiment, connection, columns, source="validated_data AS v"):
    query = FeatureQuery(f"SELECT v.event_time, {columns} FROM {source}", (), "y")
    found = experiment(connection, query, moments=MOMENTS, history=SIX_HOURS)
    return {change.feature for change in found}


def test_honest_features_pass(connection):
    honest = RECENT.format(hours=6)
    assert changed(changes_without_the_future, connection, honest) == set()
    assert changed(changes_with_a_longer_past, connection, honest) == set()


def test_a_mean_over_the_whole_day_is_caught(connection):
    whole_day = "d.m AS day_mean"
    source = (
        "validated_data v JOIN (SELECT date_trunc('day', event_time) AS day, avg(x) AS m "
        "FROM validated_data GROUP BY 1) d ON d.day = date_trunc('day', v.event_time)"
    )
    assert changed(changes_without_the_future, connection, whole_day, source) == {"day_mean"}


def test_a_label_read_before_it_was_known_is_caught(connection):
    source = "validated_data v LEFT JOIN labels l ON l.event_time = v.event_time - INTERVAL 1 HOUR"
    assert changed(changes_without_the_future, connection, "l.y AS last", source) == {"last"}
    known = source.replace("1 HOUR", "3 HOUR")
    assert changed(changes_without_the_future, connection, "l.y AS last", known) == set()


def test_a_window_longer_than_the_lookback_is_caught(connection):
    longer = RECENT.format(hours=9)
    assert changed(changes_with_a_longer_past, connection, longer) == {"recent"}
