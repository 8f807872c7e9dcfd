from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.arrow_columns import kinds_of
from ml_assets.core.asked_rows import AskedRows
from ml_assets.core.asked_slots import ROWS
from ml_assets.core.contract import Column, Contract
from ml_assets.core.request_rows import EVENT_TIME, RequestRows
from ml_assets.core.table_rows import TableRows, as_table, plain

CONTRACT = Contract(
    (
        Column("load", "float", nullable=True),
        Column("pm2.5", "float"),
        Column("starts", "integer", nullable=True),
        Column("mode", "string", nullable=True),
        Column("on", "boolean", nullable=True),
        Column("served", "datetime", nullable=True),
    )
)
KINDS = kinds_of(CONTRACT)
START = datetime(2024, 1, 1, tzinfo=UTC)
moments = st.integers(-(10**15), 10**15).map(lambda n: START + timedelta(microseconds=n))
ROW = st.tuples(
    moments,
    st.none() | st.floats(-1e30, 1e30),
    st.floats(-1e30, 1e30),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.text(max_size=8) | st.just("x" * 300),
    st.none() | st.booleans(),
    st.none() | moments,
)


def rows_of(rows):
    times, *columns = (list(values) for values in zip(*rows, strict=True))
    return RequestRows(times, dict(zip(CONTRACT.names, columns, strict=True)))


def seen(asked):
    """Return what DuckDB sees of the table, by column."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("asked", asked)
    found = connection.sql("SELECT * FROM asked").to_arrow_table()
    connection.close()
    rows = plain(found.cast(asked.schema))
    return {**rows.columns, EVENT_TIME: rows.event_times}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.lists(ROW, min_size=1, max_size=3), min_size=1, max_size=4), max_size=4)
)
def test_the_memory_that_stays_holds_what_came_last(passes):
    asked = AskedRows(CONTRACT)
    for requests in passes:
        held = [rows_of(rows) for rows in requests]
        asked.hold(held)
        whole = rows_of([row for rows in requests for row in rows])
        assert seen(asked) == {**whole.columns, EVENT_TIME: whole.event_times}


def test_missing_values_come_and_go():
    asked = AskedRows(CONTRACT)
    for load, mode in ((1.0, "a"), (None, None), (2.0, "b"), (None, "c"), (3.0, None)):
        asked.hold([rows_of([(START, load, 1.0, 1, mode, True, START)])])
        found = seen(asked)
        assert (found["load"], found["mode"]) == ([load], [mode])


def test_many_rows_and_tables_stand_below_each_other():
    asked = AskedRows(CONTRACT)
    rows = [
        (START + timedelta(hours=n), float(n), 0.5, n, f"m{n}", None, None) for n in range(2 * ROWS)
    ]
    few, many = rows_of(rows[:3]), rows_of(rows[3:])
    for requests in ([few, many], [few, TableRows(as_table(many, KINDS))]):
        asked.hold(requests)
        assert seen(asked)["mode"] == [row[4] for row in rows]


def test_a_table_gives_its_plain_values_back():
    rows = rows_of(
        [(START, None, 0.5, None, None, None, START), (START, 1.0, 0.5, 2, "é", True, None)]
    )
    table = as_table(rows, KINDS)
    assert isinstance(table, pa.Table)
    assert plain(table) == rows == TableRows(table)
