"""Bad input of every kind: each file is set aside and each row rejected with its reason.

Everything lands in one run, beside good files: what can be read goes on, and nothing is lost.
What is wrong in the declaration is in ``components/test_wrong_declarations.py``.
"""

import gzip
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.components.execution import ProblemRunner
from ml_assets.core.errors import ArtefactError
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace

CONTRACT = """
import pandera.pandas as pa


class Meter(pa.DataFrameModel):
    meter: str
    site: str = pa.Field(isin=["north", "south"])
    load: float = pa.Field(ge=0, le=100)
    demand: float = pa.Field(ge=0)
"""
FEATURES = "SELECT meter, event_time, site, load FROM validated_data"
DAYS = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC))
HEADER = "meter,at,site,load,demand\n"
GOOD = "m1,2024-01-01,north,1,2\n"
TABLE = pa.table({name: ["m2"] for name in HEADER.strip().split(",")})


def parquet(table):
    written = io.BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


PACKED = gzip.compress((HEADER + GOOD * 500).encode(), mtime=0)
# name of the file -> what is in it, and the words of the reason for which it is set aside
SET_ASIDE = {
    "empty.csv": (b"", "is empty"),
    "packed_empty.csv.gz": (gzip.compress(b"", mtime=0), "is an empty file"),
    "half.csv.gz": (PACKED[:-30], "cut-off gzip"),
    "damaged.csv.gz": (PACKED[:20] + b"\xff" * 20 + PACKED[40:], "damaged"),
    "half.parquet": (parquet(TABLE)[:-20], "not a whole Parquet file"),
    "missing.parquet": (parquet(TABLE.drop_columns("load")), "lacks the columns ['load']"),
    "missing.csv": (b"meter,at,site,demand\nm2,2024-01-01,north,2\n", "lacks the columns ['load']"),
    "renamed.csv": ((HEADER + GOOD).replace("load", "laod").encode(), "Did you mean 'laod'"),
    "no_header.csv": (GOOD.encode(), "has no header"),
    "twice.csv": (b"meter,at,site,load,load,demand\n", "several columns called ['load']"),
    "merge.csv": (
        f"{HEADER}<<<<<<< HEAD\n{GOOD}=======\n>>>>>>> other\n".encode(),
        "line 2, holds a mark of an unresolved merge",
    ),
    "latin.csv": (f"{HEADER}mü,2024-01-01,north,1,2\n".encode("latin-1"), "cannot be read"),
    "utf16.csv": ((HEADER + GOOD).encode("utf-16"), "is not utf-8 text"),
    "archive.csv": (b"PK\x03\x04 and more", "a zip archive"),
    "null.csv": (f"{HEADER}m2,2024-01-01,\0,1,2\n".encode(), "null character"),
}
# the row -> the rule and the column for which it is rejected
REJECTED = {
    "m10,2024-01-02,north,much,2": ("type", "load"),
    "m11,2024-01-02,nowhere,1,2": ("isin", "site"),
    "m12,2024-01-02,north,nan,2": ("not_nullable", "load"),
    "m13,2024-01-02,north,inf,2": ("not_finite", "load"),
    "m14,2024-01-02,north,-inf,2": ("not_finite", "load"),
    "m15,2024-01-02,north,101,2": ("less_than_or_equal_to", "load"),
    "m16,2024-01-02,north,,2": ("not_nullable", "load"),
    "m17,someday,north,1,2": ("event_time", "at"),
    "m18,2031-01-01,north,1,2": ("time_range", "at"),
    "m19,2024-01-02,north,1": ("malformed_row", None),
    "m20,2024-01-02,north,1,2,3": ("malformed_row", None),
    ",2024-01-02,north,1,2": ("not_nullable", "meter"),
    "m21,2024-01-02,north,5,2": ("duplicate", None),
    'm23,2024-01-02,"nor': ("malformed_row", None),
}
ROWS = [
    *(row for row in REJECTED if not row.startswith("m23")),
    "m21,2024-01-02,north,6,2",  # of the same key and moment: the last one stays
    "m22,2024-01-02,south,7,2",
    'm23,2024-01-02,"nor',  # where the file was cut
]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """A problem over whatever lies in a folder."""
    root = tmp_path_factory.mktemp("bad_input")
    folder = root / "problem"
    folder.mkdir()
    (root / "in").mkdir()
    (folder / "contract.py").write_text(CONTRACT)
    (folder / "features.sql").write_text(FEATURES)
    problem = Problem.model_validate(
        {
            "name": "meters",
            "task": "regression",
            "source": {"kind": "files", "path": str(root / "in" / "*")},
            "time": {"columns": ["at"]},
            "partitions": {"start": "2024-01-01", "end": "2024-01-06"},
            "keys": ["meter"],
            "quality": {"max_rejected": 1.0},
            "label": {"column": "demand", "delay": "PT1H"},
            "evaluation": {"folds": 1, "horizon": "PT12H", "min_train_rows": 20},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
        }
    )
    with dg.DagsterInstance.ephemeral() as instance:
        yield ProblemRunner(
            DeclaredProblem.load(problem, folder), Workspace(root / "home"), instance
        )


@pytest.fixture(scope="module")
def landed(runner):
    """The run into which everything landed."""
    folder = runner.declared.folder.parent / "in"
    (folder / "a_good.csv").write_text(HEADER + GOOD)
    (folder / "b_rows.csv").write_text(HEADER + "\n".join(ROWS))
    for name, (content, _) in SET_ASIDE.items():
        (folder / name).write_bytes(content)
    good = TABLE.set_column(1, "at", pa.array([datetime(2024, 1, 3, tzinfo=UTC)]))
    good = good.set_column(2, "site", pa.array(["south"]))
    good = good.set_column(3, "load", pa.array([3.5])).set_column(4, "demand", pa.array([4.0]))
    (folder / "z_good.parquet").write_bytes(parquet(good))
    return runner.run("data", DAYS)


def table(runner, name):
    return runner.workspace.lake.read(f"meters/{name}").to_pylist()


def check(result, name):
    (found,) = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    return found


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize("name", SET_ASIDE)
def test_a_file_that_cannot_be_read_is_set_aside_with_its_reason(runner, name):
    known = runner.workspace.files.known("meters", "raw_data")
    record = known[str(runner.declared.folder.parent / "in" / name)]
    assert record.status == "set_aside"
    assert name in record.reason
    assert SET_ASIDE[name][1] in record.reason


def test_the_check_names_every_file_that_was_set_aside(landed):
    aside = check(landed, "no_file_set_aside")
    assert not aside.passed
    assert aside.metadata["files_set_aside"].value == len(SET_ASIDE)


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize("row", REJECTED)
def test_a_row_that_breaks_a_rule_is_rejected_with_its_text(runner, row):
    (found,) = [one for one in table(runner, "rejected_rows") if text_of(one) == row]
    rule, column = REJECTED[row]
    assert found["rule"].startswith(rule)
    assert found["column"] == column


def text_of(rejected):
    """Return the line of a file from which a rejected row was read."""
    original = json.loads(rejected["original"])
    columns = HEADER.strip().split(",")
    return original.get("_text") or ",".join(original[name] for name in columns)


def test_the_other_rows_arrive_and_none_is_lost(runner, landed):
    valid = {(row["meter"], row["load"]) for row in table(runner, "validated_data")}
    assert valid == {("m1", 1.0), ("m2", 3.5), ("m21", 6.0), ("m22", 7.0)}
    raw, rejected = len(table(runner, "raw_data")), len(table(runner, "rejected_rows"))
    assert raw == 2 + len(ROWS) == len(valid) + rejected
    assert check(landed, "every_row_accounted_for").passed


def test_a_partition_without_rows_is_materialised_as_empty(runner, landed):
    assert landed.success
    days = Counter(row["event_time"].day for row in table(runner, "feature_table"))
    assert days == {1: 1, 2: 2, 3: 1}
    assert check(landed, "volume_as_usual").metadata["low_partitions"].value == 2


@pytest.mark.usefixtures("landed")
def test_a_model_file_that_changed_is_refused_and_named(runner):
    folder = runner.declared.folder.parent / "in"
    hours = [datetime(2024, 1, 4, tzinfo=UTC) + timedelta(hours=n) for n in range(40)]
    rows = [f"m1,{at:%Y-%m-%dT%H:%M},south,{n % 9},{n % 9 + 1}" for n, at in enumerate(hours)]
    (folder / "more.csv").write_text(HEADER + "\n".join(rows))
    assert runner.run("data", DAYS).success
    fitted = ("training_set", "baseline_models", "candidate_models")
    cutoff = Window(datetime(2024, 1, 5, tzinfo=UTC), DAYS.end)
    assert runner.run("training", cutoff, assets=fitted).success
    (model,) = runner.workspace.home.rglob("ridge.skops")
    model.chmod(0o644)
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtefactError, match=r"is not what was stored: ridge\.skops was changed"):
        runner.run("training", cutoff, assets=["evaluation_report"])


def test_a_file_of_labels_is_set_aside_too(runner, tmp_path):
    (tmp_path / "rows.csv").write_text("meter,at,site,load\nm1,2024-01-01,north,1\n")
    (tmp_path / "labels_good.csv").write_text("meter,at,demand\nm1,2024-01-01,2\n")
    (tmp_path / "labels_half.csv").write_bytes(b"meter,at,demand\nm1,2024-01-02,\xff")
    (tmp_path / "contract.py").write_text(CONTRACT[: CONTRACT.index("    demand")])
    (tmp_path / "features.sql").write_text(FEATURES)
    source = {"kind": "files", "path": str(tmp_path / "labels_*.csv")}
    problem = Problem.model_validate(
        {
            **runner.declared.problem.model_dump(exclude_unset=True),
            "source": {"kind": "files", "path": str(tmp_path / "rows.csv")},
            "label": {
                "column": "demand",
                "delay": "PT1H",
                "source": {"source": source, "time": {"columns": ["at"]}},
            },
        }
    )
    apart = ProblemRunner(
        DeclaredProblem.load(problem, tmp_path), Workspace(tmp_path / "home"), runner.instance
    )
    result = apart.run("data", DAYS)
    passed = {
        one.asset_key.path[-1]: one.passed
        for one in result.get_asset_check_evaluations()
        if one.check_name == "no_file_set_aside"
    }
    assert passed == {"landed_files": True, "landed_label_files": False}
    assert [row["demand"] for row in table(apart, "labels")] == [2.0]
