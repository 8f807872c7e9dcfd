"""Real tables, from the file to valid and rejected rows."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml_assets.core.problem import Problem
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.validation import validate_rows
from ml_assets.storage.contracts import load_contract
from ml_assets.storage.sources import open_source
from ml_assets_tests.real_data import DATA

ROOT = Path(__file__).parents[2]
WEATHER = ["holiday", "temp", "rain_1h", "snow_1h", "clouds_all", "weather_main"]
METRO = "metro_traffic/Metro_Interstate_Traffic_Volume.csv"
VARIANTS = {
    METRO: ("iso", ",", 0, 0),
    "metro_traffic/variants/ddmmyyyy_dash.csv.gz": ("%d-%m-%Y %H:%M", ",", 8, 0),
    "metro_traffic/variants/iso_sec_blank_cells.csv.gz": ("iso", ",", 14, 0),
    "metro_traffic/variants/semicolon_ddmmyyyy_slash.csv.gz": ("%d/%m/%Y %H:%M", ";", 0, 1),
    "metro_traffic/variants/unsorted_us_dates.csv.gz": ("%m/%d/%Y %H:%M", ",", 0, 0),
    "metro_traffic/variants/us_mdyy_reordered_cols.csv.gz": ("%m/%d/%y %H:%M", ",", 0, 0),
}

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"needs the real tables in {DATA} (or set ML_ASSETS_DATA_DIR)"
)


def divided(name, path, time, *, keys=(), target, delimiter=",", start="1996-01-01"):
    """Take a file all the way; return the parts and the rules that rejected rows."""
    contract = load_contract(ROOT / "ml_assets_tests" / "problems" / name / "contract.py")
    columns = contract.contract.names
    problem = Problem(
        name=name,
        task="regression",
        source={"kind": "files", "path": path, "format": {"delimiter": delimiter}},
        time=time,
        partitions={"every": "month", "start": start, "end": "2020-01-01"},
        keys=keys,
        label={"column": target, "delay": "PT0S"},
        candidates=[{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
    )
    wanted = source_columns(problem.time, columns)
    opened = open_source(problem.source, root=DATA, cache=DATA, columns=wanted)
    [found] = opened.found()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        opened.read_file(connection, found, name="landed")
        raw = landing_sql(
            "landed",
            time=problem.time,
            partitions=problem.partitions,
            columns=columns,
            file=found.digest,
            arrived_at=datetime(2024, 1, 1, tzinfo=UTC),
            fallback=datetime(2000, 1, 1, tzinfo=UTC),
        )
        connection.execute(f"CREATE TABLE raw AS {raw}")
        [[rows]] = connection.execute("SELECT count(*) FROM raw").fetchall()
        parts = validate_rows(connection, "raw", problem, contract)
    assert parts.valid.num_rows + parts.rejected.num_rows == rows
    pairs = zip(*(parts.rejected[part].to_pylist() for part in ("rule", "column")), strict=True)
    return parts, Counter(pairs), rows


def test_bike_sharing_loses_the_failed_hygrometer_only():
    time = {"columns": ["dteday", "hr"], "format": "%Y-%m-%d %H"}
    parts, rules, rows = divided("bike_sharing", "bike_sharing/hour.csv", time, target="cnt")
    assert rows == 17_379
    assert rules == {("greater_than(0)", "hum"): 22}
    assert pc.sum(pc.equal(parts.valid["windspeed"], 0)).as_py() > 2_000
    first = parts.valid.slice(1, 1).to_pylist()[0]
    assert (first["event_time"], first["cnt"]) == (datetime(2011, 1, 1, 1, tzinfo=UTC), 40)


def test_elec2_is_whole():
    time = {"columns": ["timestamp"]}
    parts, rules, rows = divided("elec2", "elec2/elec2_ts.csv", time, target="class")
    assert (rows, len(rules)) == (45_312, 0)
    assert parts.valid["class"].value_counts().to_pylist() == [
        {"values": "UP", "counts": 19_237},
        {"values": "DOWN", "counts": 26_075},
    ]


def test_elec2s_own_date_is_refused_as_a_time():
    time = {"columns": ["date"]}
    parts, rules, _ = divided("elec2", "elec2/elec2_ts.csv", time, target="class")
    assert rules == {("event_time", "date"): 45_312}
    assert parts.valid.num_rows == 0


def metro(path, *, keys=(*WEATHER, "weather_description")):
    form, delimiter, _, _ = VARIANTS[path]
    time = {"columns": ["date_time"], "format": form}
    return divided(
        "metro_traffic", path, time, keys=keys, target="traffic_volume", delimiter=delimiter
    )


@pytest.fixture(scope="module")
def intact():
    return metro(METRO)[0]


def canonical(table):
    """Count each row; floats lose the noise of an export (beyond the ninth digit)."""
    names = ["event_time", *WEATHER, "weather_description", "traffic_volume"]
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    return Counter(
        tuple(float(f"{value:.9g}") if isinstance(value, float) else value for value in row)
        for row in rows
    )


@pytest.fixture(scope="module")
def whole(intact):
    return canonical(intact.valid)


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: Path(path).stem)
def test_metro_exports_end_in_one_table(path, whole):
    _, _, blanks, marks = VARIANTS[path]
    parts, rules, rows = metro(path)
    assert rows == 48_204 + marks
    impossible = {
        ("greater_than_or_equal_to(200)", "temp"): 10,
        ("less_than_or_equal_to(400)", "rain_1h"): 1,
        ("duplicate", None): 17,
    }
    blank = {rule: count for rule, count in rules.items() if rule[0] == "not_nullable"}
    marked = {("malformed_row", None): 1} if marks else {}
    assert rules == impossible | blank | marked
    assert sum(blank.values()) == blanks
    rows = canonical(parts.valid)
    assert sum((whole - rows).values()) == blanks
    assert not rows - whole


def test_metro_sums_hold(intact):
    """The sums of the whole table, less the 28 rows that were rejected for cause."""
    rejected = [row["original"] for row in intact.rejected.to_pylist()]
    with duckdb.connect() as connection:
        texts = pa.table({"original": rejected})  # noqa: F841  DuckDB reads it by name
        [[volume, temp]] = connection.execute(
            "SELECT sum((original->>'traffic_volume')::BIGINT), sum((original->>'temp')::DOUBLE) "
            "FROM texts"
        ).fetchall()
    assert pc.sum(intact.valid["traffic_volume"]).as_py() + volume == 157_136_284
    assert pc.sum(intact.valid["temp"]).as_py() + temp == pytest.approx(13_555_247.8, abs=0.1)


def test_metro_duplicates_are_counted():
    parts, rules, rows = metro(METRO, keys=())
    assert parts.valid.num_rows == 40_575 - 11  # hours, less those whose only row is impossible
    assert rules["duplicate", None] == rows - parts.valid.num_rows - 11


def test_day_and_month_are_never_guessed():
    time = {"columns": ["date_time"], "format": "%d/%m/%Y %H:%M"}
    path = "metro_traffic/variants/unsorted_us_dates.csv.gz"
    _, rules, _ = divided("metro_traffic", path, time, target="traffic_volume", keys=WEATHER)
    assert rules["event_time", "date_time"] > 20_000
