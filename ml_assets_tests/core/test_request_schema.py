import json
from datetime import UTC, datetime, timedelta, timezone

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
        Column("PT08.S1(CO)", "float", at_least=0.0, at_most=9.0),
        Column("count", "integer", nullable=True),
        Column("on", "boolean", nullable=True),
        Column("kind", "string", nullable=True, allowed=("a", "b")),
        Column("since", "datetime", nullable=True),
    )
)
SCHEMA = RequestSchema(CONTRACT, ("rig",), max_rows=3, unknown_category="reject")
GOOD = {"rig": "r1", "PT08.S1(CO)": 1.5}


def decode(value, *, schema=SCHEMA):
    return schema.decode(json.dumps(value).encode(), now=NOW)


def refused(value, *, schema=SCHEMA):
    found = decode(value, schema=schema)
    assert isinstance(found, Refused), found
    fault = found.faults[0]
    return found.status, fault.row, fault.column, fault.rule


def test_one_row_is_accepted_bare_and_in_a_list():
    assert decode(GOOD) == decode({"rows": [GOOD]})
    assert decode(GOOD).row(0) == {**GOOD, "count": None, "on": None, "kind": None, "since": None}


def test_a_row_without_time_happens_now():
    assert decode(GOOD).event_times == [NOW]


def test_times_become_utc():
    rows = decode({**GOOD, "event_time": "2024-05-15T09:30:00.000001+02:00"})
    assert rows.event_times == [NOW + timedelta(microseconds=1)]
    assert rows.event_times[0].tzinfo is UTC
    since = decode({**GOOD, "since": "2024-05-15T09:30:00+02:00"}).columns["since"][0]
    assert since.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rig": 1}, (422, 0, "rig", "type")),
        ({"rig": None}, (422, 0, "rig", "type")),
        ({"PT08.S1(CO)": "1"}, (422, 0, "PT08.S1(CO)", "type")),
        ({"PT08.S1(CO)": True}, (422, 0, "PT08.S1(CO)", "type")),
        ({"PT08.S1(CO)": -0.1}, (422, 0, "PT08.S1(CO)", "at_least")),
        ({"PT08.S1(CO)": 9.1}, (422, 0, "PT08.S1(CO)", "at_most")),
        ({"count": 1.0}, (422, 0, "count", "type")),
        ({"count": 2**63}, (422, 0, "count", "at_most")),
        ({"count": -(2**63) - 1}, (422, 0, "count", "at_least")),
        ({"on": 1}, (422, 0, "on", "type")),
        ({"kind": "c"}, (422, 0, "kind", "allowed")),
        ({"Kind": "a"}, (422, 0, "Kind", "unknown_field")),
        ({"event_time": "2024-05-15T09:30:00"}, (422, 0, "event_time", "time")),
        ({"event_time": 7}, (422, 0, "event_time", "time")),
        ({"event_time": None}, (422, 0, "event_time", "time")),
        ({"event_time": "0001-01-01T00:00:00+14:00"}, (422, 0, "event_time", "time")),
        ({"since": "9999-12-31T23:59:59-14:00"}, (422, 0, "since", "time")),
    ],
)
def test_a_wrong_value_is_named(change, expected):
    assert refused({**GOOD, **change}) == expected


def test_a_missing_column_is_named():
    assert refused({"rows": [GOOD, {"rig": "r1"}]}) == (422, 1, "PT08.S1(CO)", "required")


def test_an_unknown_field_gets_a_suggestion():
    fault = decode({**GOOD, "knd": "a"}).faults[0]
    assert fault.message == "Unknown field 'knd'. Did you mean 'kind'?"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b'{"rig": "\xff", "PT08.S1(CO)": 1}', "json"),
        (b'{"rig": "\\ud800", "PT08.S1(CO)": 1}', "json"),
        (b'{"rig": "r", "PT08.S1(CO)": NaN}', "json"),
        (b'{"rig": "r", "PT08.S1(CO)": Infinity}', "json"),
        (b'{"rows": ' + b"[" * 100_000, "json"),
        (b'{"a":' * 100_000, "json"),
    ],
)
def test_what_is_not_json_is_a_bad_request(body, rule):
    found = SCHEMA.decode(body, now=NOW)
    assert (found.status, found.faults[0].rule) == (400, rule)


@pytest.mark.parametrize("number", [b"1e400", b"1" * 400])
def test_a_number_beyond_all_floats_is_refused(number):
    found = SCHEMA.decode(b'{"rig": "r", "PT08.S1(CO)": ' + number + b"}", now=NOW)
    assert (found.status, found.faults[0].column) == (422, "PT08.S1(CO)")


def test_a_number_that_trees_cannot_hold_is_refused():
    schema = RequestSchema(Contract((Column("x", "float"),)))
    assert refused({"x": 1e300}, schema=schema) == (422, 0, "x", "at_most")


@pytest.mark.parametrize("body", [[], [GOOD], 5, None, "x", {"rows": {}}, {"rows": [5]}])
def test_another_shape_is_refused(body):
    assert decode(body).status == 422


@pytest.mark.parametrize("rows", [[], [GOOD] * 4])
def test_the_number_of_rows_is_bounded(rows):
    assert refused({"rows": rows}) == (422, None, "rows", "row_count")


def test_a_field_beside_rows_is_refused():
    assert refused({"rows": [GOOD], "more": 1})[3] == "unknown_field"


def test_the_same_row_twice_is_refused():
    assert refused({"rows": [GOOD, GOOD]}) == (422, 1, "event_time", "unique")
    other = {**GOOD, "rig": "r2"}
    assert isinstance(decode({"rows": [GOOD, other]}), RequestRows)


def test_all_broken_rules_are_told_at_once():
    bad = {"rig": "r", "PT08.S1(CO)": 99, "kind": "z"}
    faults = decode({"rows": [GOOD, bad]}).faults
    assert [(f.row, f.column) for f in faults] == [(1, "PT08.S1(CO)"), (1, "kind")]


def test_unlisted_values_pass_where_they_are_accepted():
    lenient = RequestSchema(CONTRACT, ("rig",))
    assert decode({**GOOD, "kind": "zz"}, schema=lenient).columns["kind"] == ["zz"]


def test_a_column_called_rows_is_a_column():
    schema = RequestSchema(Contract((Column("rows", "integer"),)))
    assert decode({"rows": 3}, schema=schema).columns == {"rows": [3]}


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5))])))
def test_every_time_is_answered(moment):
    found = decode({**GOOD, "event_time": moment.isoformat()})
    assert isinstance(found, Refused) != (1678 < moment.year < 2261) or moment.year in (1678, 2261)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*CONTRACT.names, "rows", "event_time"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_decoded_or_refused(value):
    body = json.dumps(value).encode()
    assert isinstance(SCHEMA.decode(body, now=NOW), RequestRows | Refused)


@given(st.binary(max_size=64))
def test_any_bytes_are_decoded_or_refused(body):
    assert isinstance(SCHEMA.decode(body, now=NOW), RequestRows | Refused)


BOUNDS = st.one_of(
    st.none(),
    st.integers(-4, 4),
    st.sampled_from([-0.5, 0.1, 0.5, 2**53 + 1, 2**60 + 1, -(2**60) - 1, 2**63, 1e300]),
)
NUMBERS = st.one_of(
    BOUNDS, st.integers(-(2**64) - 1, 2**64 + 1), st.floats(allow_nan=False, allow_infinity=False)
)


@given(
    st.sampled_from(["float", "integer"]),
    st.tuples(BOUNDS, BOUNDS),
    st.sampled_from([None, (1, 2.0, True)]),
    st.booleans(),
    st.lists(NUMBERS, min_size=1, max_size=3),
)
def test_a_body_in_the_usual_spelling_is_read_like_any_other(
    kind, bounds, allowed, nullable, values
):
    low, high = bounds
    column = Column("x", kind, at_least=low, at_most=high, allowed=allowed, nullable=nullable)
    schema = RequestSchema(Contract((column,)), max_rows=3, unknown_category="reject")
    rows = [{"x": x, "event_time": f"2024-01-0{n + 1}T00:00Z"} for n, x in enumerate(values)]
    body = json.dumps({"rows": rows}).encode()
    assert schema.decode(body, now=NOW) == schema.decode(b" " + body, now=NOW)
    row = json.dumps(rows[0]).encode()
    listed = b' {"rows": [' + row + b"]}"
    assert schema.decode(row, now=NOW) == schema.decode(listed, now=NOW)


@pytest.mark.parametrize(
    ("kind", "low", "value"), [("float", 2**60 + 1, 2.0**60), ("integer", 0.5, 0)]
)
def test_a_bound_that_the_column_cannot_hold_is_kept_exactly(kind, low, value):
    schema = RequestSchema(Contract((Column("x", kind, at_least=low),)))
    assert refused({"x": value}, schema=schema) == (422, 0, "x", "at_least")
