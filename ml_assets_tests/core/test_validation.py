import json
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pandera.pandas as pa
import pytest

from ml_assets.core.contract import Column, Contract
from ml_assets.core.errors import DataError
from ml_assets.core.problem import Problem
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.validation import LoadedContract, validate, validate_rows


class Model(pa.DataFrameModel):
    site: str = pa.Field(isin=["a", "b"])
    temp: float = pa.Field(ge=0, le=50, nullable=True)
    count: int = pa.Field(ge=0)

    @pa.check("temp")
    def not_thirteen(cls, temp):  # noqa: N805
        return temp != 13

    @pa.dataframe_check
    def hot_means_few(cls, rows):  # noqa: N805
        return ~((rows["temp"] > 40) & (rows["count"] > 10))


CONTRACT = LoadedContract(
    Model,
    Model.to_schema(),
    Contract((Column("site", "string"), Column("temp", "float", True), Column("count", "integer"))),
)
NUMBERS = {"temp": "float64", "count": "Int64"}


def frame(*rows):
    return pd.DataFrame(rows, columns=["site", "temp", "count"]).astype(NUMBERS)


class Promotions(pa.DataFrameModel):
    promo: str = pa.Field(isin=["sale", "gift"], nullable=True)
    note: str = pa.Field(str_length={"max_value": 3}, nullable=True)


def test_a_text_that_may_be_missing_breaks_no_rule_about_its_values():
    rows = pd.DataFrame({"promo": ["sale", None, "none"], "note": [None, "abc", "abc"]})
    valid, failures = validate(rows, Promotions.to_schema())
    assert valid.index.tolist() == [0, 1]
    assert valid["promo"].tolist() == ["sale", None]
    assert failures["value"].tolist() == ["none"]


def test_each_row_fails_once_by_its_first_rule():
    rows = frame(
        ("a", 20.0, 1),
        ("z", 99.0, -1),
        (None, 99.0, -1),
        ("b", 13.0, 1),
        ("b", 45.0, 11),
        ("a", None, 0),
        ("a", 1.0, None),
    )
    valid, failures = validate(rows.set_axis(range(10, 17)), CONTRACT.schema)
    assert valid.index.tolist() == [10, 15]
    assert valid.dtypes.astype(str).tolist() == ["object", "float64", "int64"]
    assert failures.to_dict("split")["data"] == [
        [1, "isin(['a', 'b'])", "site", "z"],
        [2, "not_nullable", "site", None],
        [3, "not_thirteen", "temp", "13.0"],
        [4, "hot_means_few", None, None],
        [6, "not_nullable", "count", None],
    ]


def test_no_rows_are_valid_rows():
    valid, failures = validate(frame(), CONTRACT.schema)
    assert valid.empty
    assert failures.empty


def test_missing_column_concerns_the_table():
    with pytest.raises(DataError, match="lack the columns \\['count'\\]"):
        validate(frame(("a", 1.0, 1)).drop(columns="count"), CONTRACT.schema)


def test_check_that_cannot_judge_rows_concerns_the_table():
    column = pa.Column(float, pa.Check(lambda values: values.mean() > 100, name="warm"))
    with pytest.raises(DataError, match="warm"):
        validate(pd.DataFrame({"temp": [1.0]}), pa.DataFrameSchema({"temp": column}))


def test_check_that_fails_itself_concerns_the_table():
    column = pa.Column(float, pa.Check(lambda values: values.no_such_thing, name="broken"))
    with pytest.raises(DataError, match="no_such_thing"):
        validate(pd.DataFrame({"temp": [1.0]}), pa.DataFrameSchema({"temp": column}))


def problem(**declared):
    return Problem(
        **{
            "name": "example",
            "task": "regression",
            "source": {"kind": "files", "path": "*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": "2024-01-01", "end": "2025-01-01"},
            "keys": ["site"],
            "label": {"column": "count", "delay": "PT0S"},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
            **declared,
        }
    )


def divided(declared, *rows):
    names = source_columns(declared.time, CONTRACT.contract.names)
    with duckdb.connect() as connection:
        texts = pd.DataFrame(
            [(place, None, None, *row) for place, row in enumerate(rows, 1)],
            columns=["_row", "_fault", "_text", *names],
        )
        kinds = dict.fromkeys(("_fault", "_text", *names), "str")
        connection.register("texts", texts.astype(dict.fromkeys(kinds, object)))
        casts = ", ".join(f'"{name}"::VARCHAR AS "{name}"' for name in kinds)
        connection.execute(
            f"CREATE TABLE landed AS SELECT _row::BIGINT AS _row, {casts} FROM texts"
        )
        raw = landing_sql(
            "landed",
            time=declared.time,
            partitions=declared.partitions,
            columns=CONTRACT.contract.names,
            file="f" * 64,
            arrived_at=datetime(2024, 6, 1, tzinfo=UTC),
            fallback=datetime(2024, 1, 1, tzinfo=UTC),
        )
        connection.execute(f"CREATE TABLE raw AS {raw}")
        parts = validate_rows(connection, "raw", declared, CONTRACT)
        assert connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(2,)]
    assert parts.valid.num_rows + parts.rejected.num_rows == len(rows)
    return parts


def rules(parts):
    rows = parts.rejected.sort_by("_row").to_pylist()
    return [(row["_row"], row["rule"], row["column"], row["value"]) for row in rows]


def test_every_rule_rejects_with_its_offending_text():
    parts = divided(
        problem(),
        ("a", " 20.50 ", "1", "2024-01-02"),
        ("a", "warm", "1", "2024-01-03"),
        ("a", "Infinity", "1", "2024-01-04"),
        ("a", "1", "3.5", "2024-01-05"),
        ("a", "1", "1", "yesterday"),
        ("a", "1", "1", "2031-01-01"),
        ("q", "1", "1", "2024-01-06"),
        ("b", "060", "1", "2024-01-07"),
        ("b", "1", "n/a", "2024-01-08"),
        ("b", "1", "", "2024-01-09"),
    )
    assert rules(parts) == [
        (2, "type", "temp", "warm"),
        (3, "not_finite", "temp", "Infinity"),
        (4, "type", "count", "3.5"),
        (5, "event_time", "at", "yesterday"),
        (6, "time_range", "at", "2031-01-01 00:00:00+00"),
        (7, "isin(['a', 'b'])", "site", "q"),
        (8, "less_than_or_equal_to(50)", "temp", "060"),
        (9, "type", "count", "n/a"),
        (10, "not_nullable", "count", ""),
    ]
    original = json.loads(parts.rejected.sort_by("_row")["original"][6].as_py())
    assert original == {"site": "b", "temp": "060", "count": "1", "at": "2024-01-07"}
    assert parts.valid.to_pylist() == [
        {
            "_date": datetime(2024, 1, 2).date(),  # noqa: DTZ001
            "event_time": datetime(2024, 1, 2, tzinfo=UTC),
            "known_at": datetime(2024, 1, 2, tzinfo=UTC),
            "_file": "f" * 16,
            "_row": 1,
            "site": "a",
            "temp": 20.5,
            "count": 1,
        }
    ]


def test_shapes_are_the_same_without_rows():
    parts, full = divided(problem()), divided(problem(), ("a", "1", "1", "2024-01-02"))
    assert parts.valid.schema == full.valid.schema
    assert [str(kind) for kind in full.valid.schema.types] == [
        *("date32[day]", "timestamp[us, tz=UTC]", "timestamp[us, tz=UTC]", "string", "int64"),
        *("string", "double", "int64"),
    ]
    assert parts.rejected.column_names == [
        *("_date", "_time", "_file", "_row", "rule", "column", "value", "original")
    ]


@pytest.mark.parametrize(("keep", "rows"), [("first", [2, 5]), ("last", [4, 5]), ("none", [5])])
def test_duplicates_are_resolved_by_the_declared_rule(keep, rows):
    parts = divided(
        problem(duplicates={"keep": keep}),
        ("a", "broken", "1", "2024-01-02"),  # never displaces a whole row
        ("a", "1", "1", "2024-01-02"),
        ("a", "1", "1", "2024-01-02"),
        ("a", "2", "1", "2024-01-02T00:00:00Z"),
        ("b", "1", "1", "2024-01-02"),
        ("b", "99", "1", "2024-01-02"),
    )
    assert sorted(parts.valid["_row"].to_pylist()) == rows
    duplicates = [rule for rule in rules(parts) if rule[1] == "duplicate"]
    assert len(duplicates) == 4 - len(rows)
    assert all(rule[2:] == (None, "a 2024-01-02 00:00:00+00") for rule in duplicates)


def test_row_is_known_when_its_column_says():
    declared = problem(time={"columns": ["at"], "known_at": "seen"})
    parts = divided(
        declared,
        ("a", "1", "1", "2024-01-02", "2024-01-05 12:00"),
        ("b", "1", "1", "2024-01-02", "some day"),
    )
    assert parts.valid["known_at"].to_pylist() == [datetime(2024, 1, 5, 12, tzinfo=UTC)]
    assert rules(parts) == [(2, "known_at", "seen", "some day")]
