"""`ml-assets new` and `dg scaffold`: what they write, and when they refuse."""

from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from ruamel.yaml import YAML
from typer.testing import CliRunner

from ml_assets.cli.new import declared_path, new
from ml_assets.components.scaffolder import MLProblemScaffolder
from ml_assets.core import drafting
from ml_assets.core.errors import DataError, DeclarationError, SourceError
from ml_assets.core.inference import Asked
from ml_assets.core.problem import Problem
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.sniffing import sniff
from ml_assets_tests.cli.drafted import drafted
from ml_assets_tests.cli.unseen_tables import air_quality, occupancy
from ml_assets_tests.real_data import DATA

needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real tables in {DATA}: set ML_ASSETS_DATA_DIR"
)

WITH_ANOTHER_TYPE = """
import pandera.pandas as pa

class Row(pa.DataFrameModel):
    amount: bool
    fee: float = pa.Field(nullable=True)
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run `new` in a project of its own."""
    (tmp_path / "pyproject.toml").write_text("[tool.dg]\ndirectory_type = 'project'\n")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(new)
    return lambda *arguments: CliRunner().invoke(app, [str(part) for part in arguments])


@pytest.fixture
def table(tmp_path):
    made = air_quality()
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / made.name
    path.write_bytes(made.content)
    return path


def test_a_folder_is_written_from_a_file_inside_the_project(command, table, tmp_path):
    result = command("air", "--from", table, "--target", "CO(GT)", "--label-delay", "PT3H")
    assert result.exit_code == 0, result.exception
    folder = tmp_path / "ml_assets" / "defs" / "air"
    assert {path.name for path in folder.iterdir()} == {"defs.yaml", "contract.py", "features.sql"}
    attributes = YAML(typ="safe").load(folder / "defs.yaml")["attributes"]
    problem = Problem.model_validate(attributes)
    assert problem.source.path == "data/AirQualityUCI.csv"
    assert problem.label.delay.total_seconds() == 3 * 3600
    assert "1,200 rows valid" in result.output
    assert "30 by event_time" in result.output


def test_a_file_elsewhere_is_named_by_its_whole_path(tmp_path):
    assert declared_path(Path("/data/x.csv"), tmp_path) == "/data/x.csv"


def test_nothing_is_overwritten(command, table):
    assert command("air", "--from", table, "--target", "T").exit_code == 0
    again = command("air", "--from", table, "--target", "T")
    assert isinstance(again.exception, DeclarationError)
    assert "is there already" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("--target", "C0(GT)"), DataError, "Did you mean 'CO(GT)'"),
        (("--target", "T", "--time", "Dat"), DataError, "--time 'Dat'"),
        (("--target", "T", "--time", "CO(GT)"), DataError, "cannot be read as a time"),
        (("--target", "T", "--label-delay", "1 hour"), DeclarationError, "PT1H"),
        (("--target", "T", "--task", "regresion"), DeclarationError, "'regression'"),
    ],
)
def test_a_wrong_argument_is_named(command, table, arguments, error, words):
    result = command("air", "--from", table, *arguments)
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
    assert not (table.parent.parent / "ml_assets").exists()


def payments(path, **columns):
    times = pd.date_range("2025-01-01", periods=400, freq="h", tz="UTC")
    chance = np.random.default_rng(5)
    fees = {"ts": times, "fee": chance.random(400) * 20}
    pq.write_table(pa.table({name: pa.array(v) for name, v in (fees | columns).items()}), path)
    return path


def test_lengths_of_time_are_seconds_when_drafted_and_when_read(command, tmp_path):
    lengths = pa.array(np.random.default_rng(6).integers(1, 10**9, 400), pa.duration("ns"))
    file = payments(tmp_path / "payments.parquet", dur=lengths)
    result = command("payments", "--from", file, "--target", "fee")
    assert result.exit_code == 0, result.exception
    assert "400 rows valid, rejected: 0" in result.output
    drafted_contract = (tmp_path / "ml_assets/defs/payments/contract.py").read_text()
    assert "dur: Series[float]" in drafted_contract


def test_columns_that_differ_by_case_are_both_kept_in_any_file(command, tmp_path):
    chance = np.random.default_rng(7)
    columns = {"price": chance.random(400), "Price": chance.integers(1, 9, 400)}
    file = payments(tmp_path / "payments.parquet", **columns)
    text = tmp_path / "payments.csv"
    text.write_bytes(pq.read_table(file).to_pandas().to_csv(index=False).encode())
    for place in (file, text):
        name = place.suffix[1:]
        result = command(name, "--from", place, "--target", "fee")
        assert "400 rows valid, rejected: 0" in result.output, result.exception
        attributes = YAML(typ="safe").load(tmp_path / f"ml_assets/defs/{name}/defs.yaml")
        [renames] = attributes["attributes"]["source"]["renames"]
        assert renames["columns"] == {"Price": "price_2"}
        assert "differs from 'Price' by case only" in " ".join(result.output.split())
    target = command("other", "--from", text, "--target", "Price")
    assert "price_2: " in target.output


def test_a_draft_that_no_row_fits_names_the_reason_and_leaves_nothing(
    command, tmp_path, monkeypatch
):
    file = payments(tmp_path / "payments.parquet", amount=np.arange(400) * 1.5)
    with monkeypatch.context() as patch:
        patch.setattr(drafting, "contract_text", lambda *_, **__: WITH_ANOTHER_TYPE)
        result = command("payments", "--from", file, "--target", "fee")
    assert isinstance(result.exception, DataError)
    assert "400 rows break 'type' in 'amount', such as '0.0'" in str(result.exception)
    assert not (tmp_path / "ml_assets" / "defs" / "payments").exists()
    assert command("payments", "--from", file, "--target", "fee").exit_code == 0


def test_many_rejected_rows_are_a_doubt_with_column_rule_and_values(command, tmp_path):
    times = pd.date_range("2025-01-01", periods=400, freq="h")
    frame = pd.DataFrame({"ts": [*times, *times[:60]]})
    frame["fee"] = np.random.default_rng(8).random(460)
    frame.to_csv(tmp_path / "fees.csv", index=False)
    result = command("fees", "--from", tmp_path / "fees.csv", "--target", "fee")
    said = " ".join(result.output.split())
    assert "60 rows (13%) are rejected, 400 are valid" in said
    assert "60 rows break 'duplicate', such as '2025-01-01 00:00:00+00'" in said
    assert "Name the columns that tell these rows apart under keys" in said
    assert "Next: correct this" in said
    declared = (tmp_path / "ml_assets/defs/fees/defs.yaml").read_text()
    assert "look at rows: 60 rows break 'duplicate'" in declared


def test_a_name_that_no_problem_can_bear_is_refused(command, table):
    result = command("Air-Quality", "--from", table, "--target", "T")
    assert isinstance(result.exception, DeclarationError)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "is empty"),
        ("header.csv", b"a,b,c\n", "has no rows"),
        ("headless.csv", b"1,2.5,3\n4,5.5,6\n7,8.5,9\n", "names of the columns are missing"),
        ("book.xlsx", b"PK\x03\x04rest", "packed"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00\x00", "whole gzip"),
        ("plain.csv.gz", b"a,b\n1,2\n", "is not gzipped"),
        ("damaged.parquet", b"PAR1 nothing", "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=words):
        sniff(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"There is no file .*nowhere\.csv"):
        sniff(tmp_path / "nowhere.csv")


def test_a_long_file_is_read_in_part_and_says_so(tmp_path):
    (tmp_path / "long.csv").write_text("a,b\n" + "1,2\n" * 100)
    part = sniff(tmp_path / "long.csv", max_rows=30)
    assert (part.table.num_rows, part.complete) == (30, False)
    assert sniff(tmp_path / "long.csv", max_rows=100).complete


def test_columns_that_cannot_be_named_are_set_apart(tmp_path):
    (tmp_path / "x.csv").write_text("a,x,x,\n" + "1,2,3,\n" * 3)
    assert sniff(tmp_path / "x.csv").names.unnamed == ("x [2]", "x [3]", "column [4]")


def test_a_row_index_without_a_name_is_set_apart(tmp_path):
    text = occupancy().content.decode()
    named = tmp_path / "named.csv"
    named.write_text(text)
    short = tmp_path / "short.csv"  # as R writes it: the header is one name short
    short.write_text(text.replace('"","date"', '"date"', 1))
    assert sniff(named).names.unnamed == sniff(short).names.unnamed == ("column [1]",)
    assert sniff(named).table.column("Light") == sniff(short).table.column("Light")


@needs_data
@pytest.mark.parametrize(
    ("file", "target", "valid", "late"),
    [
        ("bike_sharing/hour.csv", "cnt", 17_379, {"casual", "registered"}),
        ("elec2/elec2_ts.csv", "class", 45_312, {"nswprice"}),
        ("metro_traffic/Metro_Interstate_Traffic_Volume.csv", "traffic_volume", 40_575, set()),
    ],
)
def test_a_real_table_becomes_a_problem_that_works(tmp_path, file, target, valid, late):
    found = drafted(tmp_path, DATA / file, Asked(target))
    rows = found.rows()
    assert rows.valid.num_rows == valid
    assert set(found.declared.problem.after_event) == late
    assert set(rows.rejected["rule"].to_pylist()) <= {"duplicate"}
    assert len(found.features(rows.valid).frame) == valid


@needs_data
@pytest.mark.parametrize(
    ("variant", "form"),
    [
        ("semicolon_ddmmyyyy_slash", "%d/%m/%Y %H:%M"),
        ("ddmmyyyy_dash", "%d-%m-%Y %H:%M"),
        ("unsorted_us_dates", "%m/%d/%Y %H:%M"),
        ("us_mdyy_reordered_cols", "%m/%d/%y %H:%M"),
    ],
)
def test_every_export_of_a_real_table_is_read(tmp_path, variant, form):
    file = DATA / "metro_traffic" / "variants" / f"{variant}.csv.gz"
    found = drafted(tmp_path, file, Asked("traffic_volume"))
    assert found.declared.problem.time.format == form
    assert found.inference.keys == ()


def scaffolded(folder, **changed):
    request = SimpleNamespace(target_path=folder, scaffold_format="yaml", append=False)
    MLProblemScaffolder().scaffold(SimpleNamespace(**{**vars(request), **changed}))


def test_the_scaffolded_example_loads_as_it_stands(tmp_path):
    scaffolded(tmp_path / "second")
    document = YAML(typ="safe").load(tmp_path / "second" / "defs.yaml")
    assert document["type"] == "ml_assets.components.MLProblemComponent"
    problem = Problem.model_validate(document["attributes"])
    assert problem.name == "second"
    loaded = DeclaredProblem.load(problem, tmp_path / "second")
    assert set(loaded.contract.contract.names) >= {"rig", "amplitude_mm"}


def test_the_scaffolder_is_what_dagster_asks_for():
    assert issubclass(MLProblemScaffolder, dg.Scaffolder)


@pytest.mark.parametrize("changed", [{"scaffold_format": "python"}, {"append": True}])
def test_other_forms_are_refused(tmp_path, changed):
    with pytest.raises(DeclarationError, match="folder of its own"):
        scaffolded(tmp_path / "second", **changed)


def test_a_scaffold_does_not_overwrite(tmp_path):
    scaffolded(tmp_path / "second")
    with pytest.raises(DeclarationError, match=r"already holds defs\.yaml"):
        scaffolded(tmp_path / "second")
