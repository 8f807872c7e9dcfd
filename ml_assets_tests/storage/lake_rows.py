"""Rows for tests of the lake: every row of a date says the same number, so a mix would show."""

import datetime as dt

import pyarrow as pa

ROWS_A_DAY = 50


def day(number: int) -> dt.date:
    return dt.date(2024, 1, number)


def one(number: int) -> tuple[dt.date, dt.date]:
    return day(number), day(number + 1)


def rows(*numbers: int, value: float = 0.0, count: int = ROWS_A_DAY) -> pa.Table:
    """Rows of some days of January, one a minute."""
    starts = [dt.datetime(2024, 1, number, tzinfo=dt.UTC) for number in numbers]
    times = [start + dt.timedelta(minutes=minute) for start in starts for minute in range(count)]
    return pa.table(
        {
            "_date": pa.array([time.date() for time in times], pa.date32()),
            "_time": pa.array(times, pa.timestamp("us", "UTC")),
            "value": pa.array([value] * len(times), pa.float64()),
        }
    )
