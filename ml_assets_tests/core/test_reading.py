from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from ml_assets.core.contract import Column
from ml_assets.core.problem import EventTime, Format, Partitions, Sequence
from ml_assets.core.reading import landing_sql, moment_sql, text_sql, value_sql

T = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")  # must not matter
        yield connection


def moment(connection, text, form, zone="UTC"):
    expression = moment_sql("told", format=form, timezone=zone)
    query = f"SELECT epoch_us({expression}) FROM (SELECT ?::VARCHAR AS told)"
    [[microseconds]] = connection.execute(query, [text]).fetchall()
    if microseconds is None:
        return None
    return (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).isoformat(" ")  # noqa: DTZ001


def value(connection, text, kind, form=Format(), **column):  # noqa: B008  frozen
    declared = Column("x", kind, **column)
    query = (
        f"SELECT {value_sql(declared, form, text='read')}, read IS NULL "
        f"FROM (SELECT {text_sql(declared, form, text='x')} AS read FROM (SELECT ? AS x))"
    )
    [[found, missing]] = connection.execute(query, [text]).fetchall()
    return "missing" if missing else found


@pytest.mark.parametrize(
    ("text", "form", "zone", "expected"),
    [
        ("2024-05-06", "iso", "UTC", "2024-05-06 00:00:00"),
        ("2024-05-06T07:08:09.123456789", "iso", "UTC", "2024-05-06 07:08:09.123456"),
        ("2024-05-06 7:08", "iso", "Europe/Zurich", "2024-05-06 05:08:00"),
        ("2024-05-06T07:08:09Z", "iso", "Europe/Zurich", "2024-05-06 07:08:09"),
        ("2024-05-06T07:08:09-0530", "iso", "Europe/Zurich", "2024-05-06 12:38:09"),
        ("2024-05-06 07:08:09 +02:00", "iso", "UTC", "2024-05-06 05:08:09"),
        ("2024-05-06 07:08:09+00", "iso", "UTC", "2024-05-06 07:08:09"),
        ("2024-03-31 02:30", "iso", "Europe/Zurich", "2024-03-31 01:30:00"),  # does not exist
        ("2024-10-27 02:30", "iso", "Europe/Zurich", "2024-10-27 01:30:00"),  # occurs twice
        ("1700000000.5", "epoch_s", "UTC", "2023-11-14 22:13:20.500000"),
        ("1700000000123", "epoch_ms", "UTC", "2023-11-14 22:13:20.123000"),
        ("7/11/2016 9:00", "%m/%d/%Y %H:%M", "UTC", "2016-07-11 09:00:00"),
        ("7/11/2016 9:00", "%d/%m/%Y %H:%M", "UTC", "2016-11-07 09:00:00"),
        ("2024-05-06 07:08 +0200", "%Y-%m-%d %H:%M %z", "Asia/Tokyo", "2024-05-06 05:08:00"),
        ("2024-01-01 5", "%Y-%m-%d %H", "America/New_York", "2024-01-01 10:00:00"),
    ],
)
def test_moment_is_read_as_declared(connection, text, form, zone, expected):
    assert moment(connection, text, form, zone) == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "iso"),
        (None, "iso"),
        ("2024-02-30", "iso"),
        ("0000-01-01", "iso"),
        ("2024-1-1", "iso"),
        ("infinity", "iso"),
        ("epoch", "iso"),
        ("06.05.2024", "iso"),
        ("13/13/2016 9:00", "%m/%d/%Y %H:%M"),
        ("7/11/2016 9:00 pm", "%m/%d/%Y %H:%M"),
        ("soon", "epoch_s"),
        ("1e30", "epoch_s"),
        ("99999999999999", "epoch_s"),
    ],
)
def test_unreadable_moment_is_null(connection, text, form):
    assert moment(connection, text, form) is None


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("float", "1.5", 1.5),
        ("float", "-1e3", -1000.0),
        ("float", "1_000", None),
        ("float", "1,5", None),
        ("float", "inf", None),
        ("float", "1e999", None),
        ("float", "NaN", "missing"),
        ("integer", "3", 3),
        ("integer", "3.0", 3),
        ("integer", "3.5", None),
        ("integer", "9007199254740993", 9007199254740993),
        ("integer", "1e400", None),
        ("integer", "0x1F", None),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("boolean", "maybe", None),
        ("string", "None", "None"),
        ("string", "N/A", "missing"),
    ],
)
def test_text_is_read_as_its_kind(connection, kind, text, expected):
    assert value(connection, text, kind) == expected


def test_format_says_how_numbers_look(connection):
    comma = Format(decimal=",", sentinels={"*": (-999,), "x": (9999.5,)})
    assert value(connection, "1,25", "float", comma) == 1.25
    assert value(connection, "1.25", "float", comma) is None
    assert value(connection, "3,0", "integer", comma) == 3
    assert value(connection, "-999,00", "float", comma) == "missing"
    assert value(connection, "9999,5", "float", comma) == "missing"
    assert value(connection, "-999", "string", comma) == "-999"
    assert value(connection, "", "string", Format(null_words=())) == ""


POINTS = Format(decimal=",", thousands=".")
COMMAS = Format(thousands=",")
SPACED = Format(decimal=",", thousands=" ")
SWISS = Format(thousands="'")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (POINTS, "1.401", 1401.0),
        (POINTS, "-12.017.131,5", -12017131.5),
        (POINTS, "1401", 1401.0),
        (POINTS, "1401,25", 1401.25),
        (POINTS, "1.4.1", None),
        (POINTS, "1.4", None),
        (POINTS, "0.123", None),
        (POINTS, "1401.250", None),
        (POINTS, "1.401.25", None),
        (POINTS, "1,017.13", None),
        (COMMAS, "1,017.13", 1017.13),
        (COMMAS, "1.401", 1.401),
        (COMMAS, "1e3", 1000.0),
        (COMMAS, "1,5", None),
        (SPACED, "1 017,13", 1017.13),
        (SPACED, "1\u202f017,13", 1017.13),
        (SPACED, "1.017", None),
        (SPACED, "10 17", None),
        (SWISS, "1'017.13", 1017.13),
        (SWISS, "1\u2019017", 1017.0),
        (Format(), "1.401", 1.401),
        (Format(), "1,401", None),
        (Format(decimal=","), "1.401", None),
    ],
)
def test_digits_are_grouped_as_declared_or_not_at_all(connection, form, text, expected):
    assert value(connection, text, "float", form) == expected


def test_grouped_digits_make_whole_numbers_and_sentinels_too(connection):
    form = Format(decimal=",", thousands=".", sentinels={"x": (-9999,)})
    assert value(connection, "1.401", "integer", form) == 1401
    assert value(connection, "1.401,0", "integer", form) == 1401
    assert value(connection, "1.401,5", "integer", form) is None
    assert value(connection, "-9.999", "integer", form) == "missing"
    assert value(connection, "1.401", "string", form) == "1.401"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("44,4 %", 44.4), ("44,4%", 44.4), ("1.200\u00a0%", 1200.0), ("0,444", None), ("%", None)],
)
def test_a_column_in_percent_drops_the_sign_and_asks_for_it(connection, text, expected):
    form = Format(decimal=",", thousands=".", percent=("x",))
    assert value(connection, text, "float", form) == expected
    assert value(connection, "44 %", "float") is None


def test_one_mark_cannot_mean_two_things():
    with pytest.raises(ValueError, match=r"decimal: ',' for 1\.017,13"):
        Format(thousands=".")


def test_dates_are_read_by_their_own_format(connection):
    form = Format(dates={"x": "%d.%m.%Y"})
    query = f"SELECT epoch({value_sql(Column('x', 'datetime'), form, text='x')}) FROM (SELECT ? x)"
    assert connection.execute(query, ["02.01.1970"]).fetchall() == [(86400.0,)]


def landed(connection, rows, *, time, every="day", columns=("v",), **arguments):
    names = list(rows[0])
    values = ", ".join(str(tuple(row.values())).replace("None", "NULL") for row in rows)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE landed AS SELECT row_number() OVER () AS _row, "
        f"NULL::VARCHAR AS _fault, NULL::VARCHAR AS _text, * FROM (VALUES {values}) "
        f"t({', '.join(names)})"
    )
    statement = landing_sql(
        "landed",
        time=time,
        partitions=Partitions(every=every, start=T),
        columns=columns,
        file="0123456789abcdef0000",
        arrived_at=datetime(2024, 6, 1, tzinfo=UTC),
        fallback=T,
        **arguments,
    )
    return connection.execute(
        f"SELECT _date::VARCHAR, epoch_us(_time) // 60000000 - {int(T.timestamp()) // 60}, "
        f"event_time IS NULL, * EXCLUDE (_date, _time) FROM ({statement}) ORDER BY _row"
    ).df()


def test_row_without_a_time_is_placed_beside_its_neighbours(connection):
    times = ["?", "2024-01-02 00:00", "never", "2023-12-31 00:00", "2099-01-01 00:00"]
    time = EventTime(columns=("told",))
    rows = landed(connection, [{"told": text, "v": "1"} for text in times], time=time)
    assert rows.iloc[:, 0].tolist() == ["2024-01-02"] * 5
    assert rows.iloc[:, 1].tolist() == [1440] * 5
    # The last two are outside the partitions: readable, but no place for them exists.
    assert rows.iloc[:, 2].tolist() == [True, False, True, False, False]
    assert rows["_time_text"].tolist() == times
    assert set(rows["_file"]) == {"0123456789abcdef"}


@pytest.mark.parametrize(
    ("every", "date"),
    [
        ("hour", "2024-05-15"),
        ("day", "2024-05-15"),
        ("week", "2024-05-13"),
        ("month", "2024-05-01"),
    ],
)
def test_date_is_the_start_of_the_partition_in_utc(connection, every, date):
    row = {"told": "2024-05-15T23:30:00Z", "v": "1"}
    rows = landed(connection, [row], time=EventTime(columns=("told",)), every=every)
    assert rows.iloc[0, 0] == date


def test_missing_hour_is_not_midnight(connection):
    time = EventTime(columns=("d", "h"), format="%Y-%m-%d %H")
    rows = landed(
        connection,
        [{"d": "2024-01-02", "h": " 5 ", "v": "1"}, {"d": "2024-01-02", "h": "", "v": "1"}],
        time=time,
    )
    assert rows.iloc[:, 2].tolist() == [False, True]
    iso = landed(
        connection, [{"d": "2024-01-02", "h": "", "v": "1"}], time=EventTime(columns=("d", "h"))
    )
    assert iso.iloc[:, 2].tolist() == [True]


def test_sequence_gives_each_row_its_step(connection):
    by_row = EventTime(sequence=Sequence(step=timedelta(hours=1), origin=T))
    rows = landed(connection, [{"v": "a"}, {"v": "b"}], time=by_row, row_offset=10)
    assert rows.iloc[:, 1].tolist() == [600, 660]
    by_column = EventTime(sequence=Sequence(column="n", step=timedelta(hours=1), origin=T))
    texts = ["2", "3.0", "3.5", "9223372036854775807"]
    rows = landed(connection, [{"n": text, "v": "a"} for text in texts], time=by_column)
    assert rows.iloc[:, 1].tolist() == [120, 180, 180, 180]
    assert rows.iloc[:, 2].tolist() == [False, False, True, True]


def test_source_may_use_the_names_of_the_lake(connection):
    time = EventTime(columns=("event_time",), known_at="known_at")
    row = {"event_time": "2024-01-02", "known_at": "2024-01-03", "v": "1"}
    [kept] = landed(connection, [row], time=time).to_dict("records")
    assert kept["_known_text"] == "2024-01-03"
    assert kept["event_time"].tz_convert("UTC").isoformat() == "2024-01-02T00:00:00+00:00"
