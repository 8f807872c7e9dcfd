"""From files of any quality to valid and rejected rows: nothing is lost on the way."""

import json
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.core.problem import Problem
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.validation import validate_rows
from ml_assets.storage.contracts import load_contract
from ml_assets.storage.sources import open_source

CONTRACT = """
import pandera.pandas as pa

class Readings(pa.DataFrameModel):
    site: str = pa.Field(isin=["x", "y"])
    temp: float = pa.Field(ge=-50, le=60, nullable=True)
    open: bool
"""


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    path = tmp_path_factory.mktemp("problem") / "contract.py"
    path.write_text(CONTRACT)
    return load_contract(path)


def divided(folder, content, contract, **source):
    (folder / "in.csv").write_bytes(content.encode())
    problem = Problem(
        name="readings",
        task="regression",
        source={"kind": "files", "path": "in.csv", **source},
        time={"columns": ["at"]},
        partitions={"start": "2024-01-01"},
        keys=["site"],
        label={"column": "temp", "delay": "PT0S"},
        candidates=[{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
    )
    wanted = source_columns(problem.time, contract.contract.names)
    opened = open_source(problem.source, root=folder, cache=folder, columns=wanted)
    [found] = opened.found()
    with duckdb.connect() as connection:
        opened.read_file(connection, found, name="landed")
        [[landed]] = connection.execute("SELECT count(*) FROM landed").fetchall()
        raw = landing_sql(
            "landed",
            time=problem.time,
            partitions=problem.partitions,
            columns=contract.contract.names,
            file=found.digest,
            arrived_at=datetime(2024, 6, 1, tzinfo=UTC),
            fallback=datetime(2024, 1, 1, tzinfo=UTC),
        )
        connection.execute(f"CREATE TABLE raw AS {raw}")
        parts = validate_rows(connection, "raw", problem, contract)
    places = [*parts.valid["_row"].to_pylist(), *parts.rejected["_row"].to_pylist()]
    assert sorted(places) == list(range(1, landed + 1))
    return parts


def test_each_bad_row_is_rejected_and_each_good_one_kept(tmp_path, contract):
    lines = [
        "at,site,temp,open",
        "2024-01-01,x,1.5,yes",
        "2024-01-01,y,,no",
        "2024-01-02,x,NaN,1",
        "2024-01-03,x,inf,1",
        "2024-01-04,x,warm,1",
        "2024-01-05,z,1,1",
        "2024-01-06,x,1,",
        "2024-01-06,x,1,perhaps",
        "2024-01-01,x,2.5,yes",
        "",
        "2024-01-07,x",
    ]
    parts = divided(tmp_path, "\n".join(lines), contract)
    assert parts.valid["_row"].to_pylist() == [2, 9, 3]
    rejected = parts.rejected.sort_by("_row").to_pylist()
    assert [(row["_row"], row["rule"], row["column"]) for row in rejected] == [
        (1, "duplicate", None),
        (4, "not_finite", "temp"),
        (5, "type", "temp"),
        (6, "isin(['x', 'y'])", "site"),
        (7, "not_nullable", "open"),
        (8, "type", "open"),
        (10, "malformed_row", None),
        (11, "malformed_row", None),
    ]
    assert json.loads(rejected[-1]["original"]) == {"_text": "2024-01-07,x"}
    assert rejected[-1]["_time"] == rejected[-2]["_time"] == datetime(2024, 1, 1, tzinfo=UTC)


def test_renamed_columns_end_under_the_contracts_name(tmp_path, contract):
    text = "when,place,celsius,open\n2024-01-01,x,20,t\n"
    renames = [{"version": 1, "columns": {"when": "at", "place": "site", "celsius": "temp"}}]
    parts = divided(tmp_path, text, contract, renames=renames)
    assert parts.valid.select(["site", "temp", "open"]).to_pylist() == [
        {"site": "x", "temp": 20.0, "open": True}
    ]


def test_header_alone_is_no_rows(tmp_path, contract):
    parts = divided(tmp_path, "at,site,temp,open\n", contract)
    assert parts.valid.num_rows == parts.rejected.num_rows == 0


FIELDS = ["2024-01-01", "2024-02-30", "2031-01-01", "x", "y", "1", "-1e9", "inf", "", '"', " ", "é"]
JUNK = st.lists(st.sampled_from([*FIELDS, ",", ",", ",", "\n", "\n"]), max_size=80).map("".join)
ROWS = st.lists(st.lists(st.sampled_from(FIELDS), min_size=3, max_size=5), max_size=12)


@settings(max_examples=15, deadline=None)
@given(st.one_of(JUNK, ROWS.map(lambda rows: "\n".join(map(",".join, rows)))))
def test_rows_in_are_rows_valid_and_rejected(tmp_path_factory, contract, junk):
    # ``divided`` asserts that every landed row is in exactly one of the two parts.
    parts = divided(tmp_path_factory.mktemp("junk"), "at,site,temp,open\n" + junk, contract)
    if '"' not in junk:
        lines = junk.removesuffix("\n").split("\n") if junk else []
        assert parts.valid.num_rows + parts.rejected.num_rows == len(lines)
