"""The same SQL over a window, over asked rows, and with the baselines' columns."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.feature_query import FeatureQuery, PastLabel, rounded
from ml_assets.core.feature_rows import run_features
from ml_assets.core.window import Window

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
SECOND_DAY = Window(START + DAY, START + 2 * DAY)
SQL = """
SELECT k, event_time, x, c,
    avg(x) OVER (PARTITION BY k ORDER BY event_time
                 RANGE BETWEEN INTERVAL 5 HOUR PRECEDING AND CURRENT ROW) AS recent
FROM validated_data -- the end;
;
"""


@pytest.fixture
def connection():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        """
        CREATE TABLE validated_data AS
        SELECT k, TIMESTAMPTZ '2024-01-01 00:00+00' + INTERVAL (i) HOUR AS event_time,
               event_time AS known_at, sin(i * 7 + len(k)) AS x, 'c' || (i % 3) AS c
        FROM range(72) t(i), (VALUES ('a'), ('bb')) names(k);
        CREATE TABLE labels AS
        SELECT k, event_time, 10 * x AS y, event_time + INTERVAL 2 HOUR AS known_at
        FROM validated_data;
        """
    )
    return connection


def query(sql=SQL, baselines=()):
    return FeatureQuery(sql, ("k",), "y", tuple(baselines))


def features(connection, query, text):
    return run_features(connection, text, identity=query.identity)


def test_a_window_yields_its_rows_with_their_history(connection):
    found = features(connection, query(), query().between(SECOND_DAY))
    assert len(found.frame) == 48
    assert found.numeric == ("x", "recent")
    assert found.categorical == ("c",)
    first = found.frame.iloc[0]
    past = connection.execute(
        "SELECT avg(x) FROM validated_data WHERE k = 'a' AND event_time BETWEEN "
        "TIMESTAMPTZ '2024-01-01 19:00+00' AND TIMESTAMPTZ '2024-01-02 00:00+00'"
    ).fetchone()[0]
    assert first["recent"] == pytest.approx(past, rel=1e-9)


def test_asked_rows_get_what_the_window_gives(connection):
    batch = features(connection, query(), query().between(SECOND_DAY)).frame
    asked = batch.loc[[3, 40], ["k", "event_time"]]
    connection.register("asked", asked)
    online = features(connection, query(), query().among("asked")).frame
    expected = batch.loc[[3, 40]].reset_index(drop=True)
    assert online.equals(expected)


def test_baselines_read_only_labels_that_were_known(connection):
    baselines = [PastLabel("persistence", None, 7 * DAY), PastLabel("daily", DAY, 7 * DAY)]
    asked = query(baselines=baselines)
    found = features(connection, asked, asked.between(SECOND_DAY)).frame.set_index(
        ["k", "event_time"]
    )
    labels = connection.execute("SELECT k, event_time, y FROM labels").df()
    labels["event_time"] = labels["event_time"].astype("datetime64[us, UTC]")
    truth = labels.set_index(["k", "event_time"])["y"]
    at = START + DAY + timedelta(hours=5)
    two_hours_before = truth["a", at - timedelta(hours=2)]
    assert found.loc[("a", at), "baseline__persistence"] == pytest.approx(two_hours_before)
    assert found.loc[("a", at), "baseline__daily"] == pytest.approx(truth["a", at - DAY])


def test_a_label_older_than_the_reach_is_not_read(connection):
    asked = query(baselines=[PastLabel("persistence", None, timedelta(hours=1))])
    found = features(connection, asked, asked.between(SECOND_DAY)).frame
    assert found["baseline__persistence"].isna().all()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT event_time, x FROM validated_data", r"does not select \['k'\]"),
        ("SELECT k, event_time, known_at AS seen FROM validated_data", "'seen' is a time"),
        (
            "SELECT v.k, v.event_time, w.x FROM validated_data v JOIN validated_data w USING (k)",
            "more than once",
        ),
        ("SELECT k, event_time, nothing FROM validated_data", "features.sql failed"),
    ],
)
def test_sql_that_cannot_be_used_is_refused(connection, sql, message):
    wrong = query(sql)
    with pytest.raises(FeatureSqlError, match=message):
        features(connection, wrong, wrong.between(SECOND_DAY))


def test_the_order_of_a_sum_does_not_show():
    values = np.random.default_rng(0).normal(size=(1000, 100))
    forwards, backwards = values.cumsum(axis=1)[:, -1], values[:, ::-1].cumsum(axis=1)[:, -1]
    assert (forwards != backwards).any()
    assert np.array_equal(rounded(forwards), rounded(backwards))
    assert np.isnan(rounded(np.array([np.inf, -np.inf, np.nan]))).all()
    assert rounded(np.array([4294967295.0, 0.0])).tolist() == [4294967295.0, 0.0]


@given(st.lists(st.floats(width=64), min_size=1, max_size=20))
def test_rounding_keeps_the_first_bits_of_the_fraction_and_ties_go_to_even(numbers):
    values = np.array(numbers)
    values = values[~np.isfinite(values) | (np.abs(values) >= np.finfo(float).tiny)]
    with np.errstate(over="ignore", invalid="ignore"):
        fraction, exponent = np.frexp(values)
        expected = np.ldexp(np.rint(np.ldexp(fraction, 32)), exponent - 32)
    expected[~np.isfinite(expected)] = np.nan
    assert np.array_equal(rounded(values), expected, equal_nan=True)
    ties = np.array([1 + 2.0**-32, 1 + 3 * 2.0**-32])
    assert rounded(ties).tolist() == [1.0, 1 + 2.0**-30]
