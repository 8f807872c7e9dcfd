"""Arrow and Parquet bodies: read as strictly as JSON, and never larger than allowed."""

import io
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_assets.core.contract import Column, Contract
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import RequestSchema

NOW = datetime(2024, 5, 15, 7, 30, tzinfo=UTC)
CONTRACT = Contract(
    (
        Column("rig", "string"),
        Column("x", "float", at_least=0.0, at_most=9.0),
        Column("count", "integer", nullable=True),
        Column("on", "boolean", nullable=True),
        Column("since", "datetime", nullable=True),
    )
)
SCHEMA = RequestSchema(CONTRACT, ("rig",), max_rows=1000, max_bytes=1_000_000)
TIMES = [NOW + timedelta(hours=n) for n in range(2)]
GOOD = {
    "rig": pa.array(["a", "b"]),
    "x": pa.array([1.5, 2.0]),
    "count": pa.array([1, None]),
    "on": pa.array([True, None]),
    "since": pa.array(TIMES, pa.timestamp("us", "UTC")),
    "event_time": pa.array(TIMES, pa.timestamp("ms", "Europe/Paris")),
}


def arrow(columns, **options):
    table = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return sink.getvalue()


def parquet(columns, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


WRITERS = {"arrow": arrow, "parquet": parquet}


@pytest.fixture(params=sorted(WRITERS))
def decode(request):
    """Decode columns in each of the two forms."""

    def decoded(columns, **options):
        body = WRITERS[request.param](columns, **options)
        return SCHEMA.decode(body, now=NOW, kind=request.param)

    return decoded


def without(*names):
    return {name: values for name, values in GOOD.items() if name not in names}


def test_a_table_is_decoded_as_json_is(decode):
    found = decode(GOOD)
    assert found.event_times == TIMES
    assert found.columns == {
        "rig": ["a", "b"],
        "x": [1.5, 2.0],
        "count": [1, None],
        "on": [True, None],
        "since": TIMES,
    }
    assert all(time.tzinfo is UTC for time in found.event_times)


def test_what_may_be_missing_may_be_missing(decode):
    found = decode(without("count", "on", "since", "event_time"))
    assert found.event_times == [NOW, NOW]
    assert found.columns["count"] == [None, None]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("rig", pa.array(["a", "b"]).dictionary_encode()),
        ("rig", pa.array(["a", "b"], pa.large_string())),
        ("x", pa.array([1.5, 2.0], pa.float32())),
        ("x", pa.array([1, 2])),
        ("count", pa.array([1, 2], pa.uint8())),
        ("on", pa.nulls(2)),
    ],
)
def test_types_that_lose_nothing_are_taken(decode, column, values):
    found = decode({**GOOD, column: values})
    assert found.columns[column] == values.to_pylist()


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("rig", pa.array([1, 2]), "type"),
        ("rig", pa.array(["a", None]), "type"),
        ("rig", pa.array([b"a", b"b"]), "type"),
        ("x", pa.array(["1", "2"]), "type"),
        ("x", pa.array([True, False]), "type"),
        ("x", pa.array([1.0, float("nan")]), "type"),
        ("x", pa.array([1.0, 10.0]), "at_most"),
        ("x", pa.array([1.0, -1.0]), "at_least"),
        ("count", pa.array([1.0, 2.0]), "type"),
        ("count", pa.array([1, 2**63], pa.uint64()), "at_most"),
        ("on", pa.array([0, 1]), "type"),
        ("since", pa.array(TIMES, pa.timestamp("us")), "type"),
        ("event_time", pa.array([NOW, None], pa.timestamp("us", "UTC")), "type"),
        ("event_time", pa.array([0, 2**62], pa.timestamp("us", "UTC")), "time"),
        ("event_time", pa.array([0, 1], pa.timestamp("ns", "UTC")), "time"),
        ("more", pa.array([1, 2]), "unknown_field"),
    ],
)
def test_a_wrong_column_is_refused(decode, column, values, rule):
    found = decode({**GOOD, column: values})
    assert isinstance(found, Refused)
    assert (found.status, found.faults[0].rule) == (422, rule)


def test_a_missing_column_and_the_same_row_twice_are_refused(decode):
    missing = decode(without("x"))
    assert (missing.faults[0].column, missing.faults[0].rule) == ("x", "required")
    twice = decode({**without("event_time"), "rig": pa.array(["a", "a"])})
    assert (twice.status, twice.faults[0].rule) == (422, "unique")


@pytest.mark.parametrize("rows", [0, 1001])
def test_the_number_of_rows_is_bounded(decode, rows):
    columns = {"rig": pa.array([str(n) for n in range(rows)], pa.string()), "x": [1.0] * rows}
    columns["x"] = pa.array(columns["x"], pa.float64())
    assert decode(columns).faults[0].rule == "row_count"


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_stream_is_refused_before_it_is_read(codec):
    zeros = arrow({**GOOD, "rig": pa.array(["a" * 10_000_000, "b"])}, compression=codec)
    assert len(zeros) < 100_000
    before = pa.total_allocated_bytes()
    found = SCHEMA.decode(zeros, now=NOW, kind="arrow")
    assert (found.status, found.faults[0].rule) == (415, "compression")
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_a_compressed_dictionary_is_refused_too():
    texts = pa.array(["a" * 1_000_000, "b"]).dictionary_encode()
    found = SCHEMA.decode(arrow({**GOOD, "rig": texts}, compression="zstd"), now=NOW, kind="arrow")
    assert found.status == 415


def test_a_parquet_bomb_is_refused():
    columns = {**GOOD, "rig": pa.array(["a" * 3_000_000, "b"])}
    for codec, status in (("snappy", 413), ("zstd", 415), ("gzip", 415), ("none", 413)):
        body = parquet(columns, compression=codec)
        assert SCHEMA.decode(body, now=NOW, kind="parquet").status == status, codec


def test_a_text_that_many_rows_share_is_counted_for_each(decode):
    count = 1000
    texts = pa.array(["a" * 10_000] * count).dictionary_encode()
    found = decode({"rig": texts, "x": pa.array([1.0] * count)})
    assert (found.status, found.faults[0].rule) == (413, "size")


@pytest.mark.parametrize("text", [b"UTC", b"rig"])
def test_a_name_that_is_no_text_is_refused(text):
    body = WRITERS["arrow"](GOOD)
    assert text in body
    found = SCHEMA.decode(body.replace(text, b"\x80" + text[1:]), now=NOW, kind="arrow")
    assert (found.status, found.faults[0].rule) == (400, "arrow")


@pytest.mark.parametrize("kind", sorted(WRITERS))
@given(st.data())
def test_any_bytes_are_decoded_or_refused(kind, data):
    whole = bytearray(WRITERS[kind](GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    body = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert isinstance(SCHEMA.decode(body, now=NOW, kind=kind), RequestRows | Refused)
