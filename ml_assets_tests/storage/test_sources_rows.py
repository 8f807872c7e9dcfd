import sqlite3
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ml_assets.core.errors import DeclarationError, SourceError
from ml_assets.core.problem import SimulatorSource, SqlSource
from ml_assets.core.window import Window
from ml_assets.plant import Plant
from ml_assets.storage.sources import open_source, rows_digest

DAY = Window(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))


def rows(source, root, columns=(), window=DAY):
    opened = open_source(source, root=root, cache=root, columns=columns)
    table = opened.rows(window)
    assert [str(kind) for kind in table.schema.types] == [
        "int64",
        *["string"] * (table.num_columns - 1),
    ]
    return table


@pytest.fixture
def sqlite(tmp_path):
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE orders (at TEXT, amount REAL, paid INTEGER, note TEXT)")
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?)",
        [
            ("2026-01-01 23:59:59", 1.0, 0, "before"),
            ("2026-01-02 00:00:00", 0.1 + 0.2, 1, None),
            ("2026-01-02 23:59:59.9", -5, 1, "it's 12:start"),
            ("2026-01-03 00:00:00", 1.0, 0, "after"),
        ],
    )
    connection.commit()
    connection.close()
    return tmp_path


def sql(query, connection="sqlite:///shop.db", **declared):
    return SqlSource(kind="sql", connection=connection, query=query, **declared)


def test_query_is_asked_for_the_window(sqlite):
    query = "SELECT * FROM orders WHERE at >= :start AND at < :end ORDER BY at"
    renames = [{"version": 1, "columns": {"paid": "settled"}}]
    table = rows(sql(query, renames=renames), sqlite, ("at", "amount", "settled", "note"))
    assert table.to_pylist() == [
        {"_row": 1, "_fault": None, "_text": None, "at": "2026-01-02 00:00:00"}
        | {"amount": "0.30000000000000004", "settled": "1", "note": None},
        {"_row": 2, "_fault": None, "_text": None, "at": "2026-01-02 23:59:59.9"}
        | {"amount": "-5.0", "settled": "1", "note": "it's 12:start"},
    ]


def test_query_need_not_name_the_window_nor_have_rows(sqlite):
    assert rows(sql("SELECT note FROM orders"), sqlite).num_rows == 4
    empty = rows(sql("SELECT at, note FROM orders WHERE at > :end AND paid = 7"), sqlite)
    assert (empty.num_rows, empty.column_names[3:]) == (0, ["at", "note"])


def test_duckdb_file_is_read_only_and_in_utc(tmp_path):
    with duckdb.connect(tmp_path / "w.duckdb") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE t AS SELECT n / 10 AS x, [n] AS many, "
            "TIMESTAMPTZ '2026-01-01 12:00:00+00' + to_days(n::INT) AS moment FROM range(3) r(n)"
        )
    query = "SELECT * FROM t WHERE moment >= :start AND moment < :end;"
    source = sql(query, "duckdb:///w.duckdb")
    with duckdb.connect(tmp_path / "w.duckdb", read_only=True):  # another reader is no obstacle
        [row] = rows(source, tmp_path, ("moment", "x", "many")).to_pylist()
    assert (row["moment"], row["x"], row["many"]) == ("2026-01-02 12:00:00+00", "0.1", "[1]")
    with pytest.raises(SourceError, match="failed on"):
        rows(sql("DROP TABLE t", "duckdb:///w.duckdb"), tmp_path)


def test_failing_query_says_so_without_the_password(sqlite):
    with pytest.raises(SourceError, match="no such column: wind"):
        rows(sql("SELECT wind FROM orders"), sqlite)
    with pytest.raises(SourceError, match=r"lacks the columns \['wind'\]"):
        rows(sql("SELECT note FROM orders"), sqlite, ("wind",))
    for missing in ("sqlite:///none.db", "duckdb:///none.duckdb"):
        with pytest.raises(SourceError, match="does not exist"):
            rows(sql("SELECT 1", missing), sqlite)
        assert not list(sqlite.glob("none*"))
    with pytest.raises(SourceError) as caught:
        rows(sql("SELECT 1", "://ann:secret@host"), sqlite)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_simulated_rows_are_text_without_loss(tmp_path):
    source = SimulatorSource(kind="simulator", rigs=2, reading_every=timedelta(hours=1), seed=3)
    table = rows(source, tmp_path, ("measured_at", "rig", "period_s", "load"))
    frame = Plant("quiet", rigs=2, reading_every=timedelta(hours=1), seed=3).readings(DAY)
    assert table.num_rows == len(frame) == 48
    assert table["_row"].to_pylist() == list(range(1, 49))
    assert table["rig"].to_pylist() == frame["rig"].tolist()
    assert table["measured_at"][0].as_py() == "2026-01-02 00:00:00+00"
    periods = [None if text is None else float(text) for text in table["period_s"].to_pylist()]
    assert periods == [None if value != value else value for value in frame["period_s"]]  # noqa: PLR0124  NaN
    assert rows_digest(table) == rows_digest(rows(source, tmp_path, tuple(table.column_names[3:])))


@pytest.mark.parametrize(("table", "column"), [("labels", "known_at"), ("rigs", "spring_batch")])
def test_every_table_of_the_plant_is_a_source(tmp_path, table, column):
    source = SimulatorSource(kind="simulator", table=table, rigs=2, reading_every="PT1H")
    found = rows(source, tmp_path)
    assert column in found.column_names
    assert found.num_rows in {2, 48}
    with pytest.raises(SourceError, match="lacks the columns"):
        rows(source, tmp_path, ("no_such",))


def test_unknown_scenario_is_a_wrong_declaration(tmp_path):
    source = SimulatorSource(kind="simulator", scenario="quite")
    with pytest.raises(DeclarationError, match="quiet"):
        rows(source, tmp_path)


def test_digest_names_the_content(sqlite):
    one = rows(sql("SELECT note FROM orders"), sqlite)
    assert rows_digest(one) != rows_digest(rows(sql("SELECT note FROM orders LIMIT 3"), sqlite))
    assert len(rows_digest(one)) == 64
