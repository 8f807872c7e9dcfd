"""Any order and repetition of requests: the server's features are the batch's, to the bit."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_assets.core.answering import Answers
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import SQL_FILE
from ml_assets.core.replay import Replay
from ml_assets.core.request_rows import RequestRows
from ml_assets_tests.serving.releases import (
    CONTRACT,
    HOURS,
    NUMERIC,
    RELEASE,
    SQL,
    START,
    make_history,
    make_release,
    seal,
)

END = START + timedelta(hours=HOURS)
ACROSS_PUMPS = SQL.replace("PARTITION BY pump ORDER", "ORDER").replace(
    "lag(load) OVER w",
    "max(load) OVER (w RANGE BETWEEN INTERVAL 2 HOURS PRECEDING AND CURRENT ROW)",
)


@pytest.fixture(scope="module")
def files():
    return make_release()


def rows_of(asked):
    """Return a request's rows from ``(pump, minutes after the history's end, load)``."""
    pumps, minutes, loads = zip(*asked, strict=True)
    columns = {
        "pump": list(pumps),
        "load": list(loads),
        "pm2.5": [None] * len(asked),
        "starts": [1] * len(asked),
        "mode": ["eco"] * len(asked),
    }
    return RequestRows([END + timedelta(minutes=m) for m in minutes], columns)


def logged(requests):
    """Return what the log holds of requests, as a replay reads it."""
    parts = [
        pa.table(
            {
                **{name: rows.columns[name] for name in CONTRACT.names},
                "event_time": pa.array(rows.event_times, pa.timestamp("us", "UTC")),
                "_request": [number] * len(rows),
            },
            schema=pa.schema(
                {
                    "pump": pa.string(),
                    "load": pa.float64(),
                    "pm2.5": pa.float64(),
                    "starts": pa.int64(),
                    "mode": pa.string(),
                    "event_time": pa.timestamp("us", "UTC"),
                    "_request": pa.int64(),
                }
            ),
        )
        for number, rows in enumerate(requests)
    ]
    table = pa.concat_tables(parts)
    return table.append_column("_arrival", pa.array(range(len(table)))).append_column(
        "_asked", pa.array([True] * len(table))
    )


def replayed(files, requests):
    with Replay(files) as replay:
        table = logged(requests)
        frame = replay.features(table, earlier=table.slice(0, 0))
    return frame.sort_values("_arrival", ignore_index=True)


def served(files, requests, *, together=False):
    predictor = Predictor(files)
    if together:
        answers = predictor.predict_all(requests)
    else:
        answers = [predictor.predict(rows) for rows in requests]
    predictor.close()
    assert all(isinstance(one, Answers) for one in answers), answers
    return pd.concat(
        [pd.DataFrame({n: one.features[n] for n in NUMERIC}) for one in answers], ignore_index=True
    )


def assert_same(found, expected):
    for name in NUMERIC:
        np.testing.assert_array_equal(found[name].to_numpy(), expected[name].to_numpy(), name)


one_row = st.tuples(st.sampled_from(["north", "south"]), st.integers(-300, 300), st.floats(0, 100))
one_request = st.lists(one_row, min_size=1, max_size=4, unique_by=lambda row: row[:2])
some_requests = st.lists(one_request, min_size=1, max_size=12).flatmap(
    lambda requests: st.permutations(requests + requests[: len(requests) // 2])
)


@pytest.mark.parametrize("sql", [SQL, ACROSS_PUMPS], ids=["by pump", "across pumps"])
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=some_requests)
def test_any_order_and_repetition_is_replayed_to_the_bit(files, sql, together, asked):
    changed = seal({**files, SQL_FILE: sql.encode()})
    requests = [rows_of(rows) for rows in asked]
    assert_same(replayed(changed, requests), served(changed, requests, together=together))


def by_definition(requests):
    """Return load_mean of each row, straight from the rule: no SQL, no server."""
    known = {(r.pump, r.event_time): r.load for r in make_history().itertuples()}
    found = []
    for rows in requests:
        for pump, moment, load in zip(
            rows.columns["pump"], rows.event_times, rows.columns["load"], strict=True
        ):
            known[(pump, pd.Timestamp(moment))] = load
        for pump, moment in zip(rows.columns["pump"], rows.event_times, strict=True):
            past = [
                load
                for (other, at), load in known.items()
                if other == pump and moment - timedelta(hours=5) <= at <= moment
            ]
            found.append(np.mean(past))
    return found


def test_a_row_sees_what_was_known_by_then_and_nothing_else(files):
    rng = np.random.default_rng(5)
    requests = [
        rows_of([(str(rng.choice(["north", "south"])), int(m), float(rng.uniform(0, 100)))])
        for m in rng.integers(-200, 400, size=150)
    ]
    found = replayed(files, requests)["load_mean"].to_numpy()
    np.testing.assert_allclose(found, by_definition(requests), rtol=1e-9)
    assert_same(replayed(files, requests), served(files, requests))


def test_a_request_asked_alone_is_what_it_was_among_others(files):
    requests = [rows_of([("north", m, float(m % 7)), ("south", m, 3.0)]) for m in (60, 30, 60, 90)]
    together = replayed(files, requests)
    table = logged(requests)
    with Replay(files) as replay:
        replay.features(table, earlier=table.slice(0, 0))
        for arrival in range(len(table)):
            alone = replay.features_of_request(arrival).set_index("_arrival").loc[arrival]
            assert alone["load_mean"] == together["load_mean"][arrival]


def test_rows_of_older_revisions_never_replace_the_history(files):
    newest = END - timedelta(hours=1)
    minutes = -60
    older = logged([rows_of([("north", minutes, 99.0), ("north", 10, 50.0)])])
    own = logged([rows_of([("north", 20, 40.0)])])
    own = own.set_column(own.schema.get_field_index("_arrival"), "_arrival", pa.array([5]))
    with Replay(files) as replay:
        found = replay.features(own, earlier=older).iloc[0]
    history = make_history()
    kept = history[(history.pump == "north") & (history.event_time > newest - timedelta(hours=4))]
    expected = np.mean([*kept["load"], 50.0, 40.0])
    assert found["load_before"] == 50.0
    assert found["load_mean"] == pytest.approx(expected, rel=1e-9)
    assert RELEASE.reach.rows == timedelta(hours=6)
