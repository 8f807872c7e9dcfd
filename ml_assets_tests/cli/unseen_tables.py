"""Small tables of one series, in the shapes of well-known public ones, with seeded values."""

import gzip
import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Table:
    """A file's content and what must be seen in it."""

    name: str
    content: bytes
    target: str
    task: str
    time: tuple[str, ...]
    form: str = "iso"
    keys: tuple[str, ...] = ()
    every: str = "day"
    rejected: int = 0
    features: tuple[str, ...] = ()
    not_features: tuple[str, ...] = ()
    extra: dict = field(default_factory=dict)


def seeded(seed=0):
    return np.random.default_rng(seed)


def _hours(count, start="2014-03-10 18:00"):
    return pd.date_range(start, periods=count, freq="h")


def wave(times, chance, *, scale=10.0):
    day = np.sin(2 * np.pi * times.hour.to_numpy() / 24)
    return np.round(scale * (2 + day) + chance.normal(0, 1, len(times)), 2)


def csv_bytes(frame, **options):
    return frame.to_csv(index=False, **options).encode()


def air_quality():
    chance, times = seeded(), _hours(1200)
    rows = []
    for moment, value in zip(times, wave(times, chance), strict=True):
        broken = chance.random() < 0.04
        comma = lambda number: f"{number:.1f}".replace(".", ",")  # noqa: E731
        rows.append(
            f"{moment:%d/%m/%Y};{moment:%H.%M.%S};{'-200' if broken else comma(value / 10)};"
            f"{'-200' if broken else int(700 + 40 * value)};"
            f"{comma(value + 10 * chance.random()) if chance.random() > 0.02 else '-200'};;"
        )
    blank = [";;;;;;"] * 30
    text = "\n".join(["Date;Time;CO(GT);PT08.S1(CO);T;;", *rows, *blank]) + "\n"
    return Table(
        "AirQualityUCI.csv", text.encode(), "CO(GT)", "regression", ("Date", "Time"),
        "%d/%m/%Y %H.%M.%S", rejected=30, features=("pt08_s1_co", "t"),
        extra={"decimal": ",", "delimiter": ";",
               "sentinels": {"co_gt": (-200.0,), "pt08_s1_co": (-200.0,), "t": (-200.0,)}},
    )  # fmt: skip


def beijing():
    chance, times = seeded(1), _hours(1500, "2010-01-01")
    frame = pd.DataFrame(
        {
            "No": np.arange(1, 1501), "year": times.year, "month": times.month,
            "day": times.day, "hour": times.hour,
            "pm2.5": np.where(chance.random(1500) < 0.05, None, wave(times, chance).round()),
            "DEWP": chance.integers(-20, 20, 1500), "TEMP": chance.normal(5, 4, 1500).round(1),
            "cbwd": chance.choice(["NW", "SE", "cv", "NE"], 1500),
        }
    )  # fmt: skip
    return Table(
        "PRSA_data.csv", csv_bytes(frame, na_rep="NA"), "pm2.5", "regression",
        ("year", "month", "day", "hour"), "%Y %m %d %H",
        features=("dewp", "temp", "cbwd"), not_features=("no",), extra={"null_words": ("", "NA")},
    )  # fmt: skip


def household():
    chance = seeded(2)
    times = pd.date_range("2006-12-16 17:24", periods=4000, freq="min")
    power = wave(times, chance)
    volts = (240 + chance.normal(0, 2, 4000)).round(2)
    rows = [
        f"{moment:%d/%m/%Y};{moment:%H:%M:%S};" + ("?;?;" if at % 97 == 3 else f"{p};{v};")
        + f"{chance.integers(0, 3)}"
        for at, (moment, p, v) in enumerate(zip(times, power, volts, strict=True))
    ]  # fmt: skip
    text = "\n".join(["Date;Time;Global_active_power;Voltage;Sub_metering_1", *rows])
    return Table(
        "household_power_consumption.txt", text.encode(), "Global_active_power", "regression",
        ("Date", "Time"), "%d/%m/%Y %H:%M:%S", every="hour", features=("voltage",),
        extra={"null_words": ("", "?")},
    )  # fmt: skip


def appliances():
    chance = seeded(3)
    times = pd.date_range("2016-01-11 17:00", periods=4000, freq="10min")
    frame = pd.DataFrame(
        {
            "date": times.strftime("%Y-%m-%d %H:%M:%S"),
            "Appliances": (np.exp(chance.normal(4, 0.7, 4000))).astype(int),
            "T1": wave(times, chance), "RH_1": chance.normal(40, 3, 4000).round(3),
            "rv1": chance.random(4000),
        }
    )  # fmt: skip
    return Table(
        "energydata_complete.csv", csv_bytes(frame, quoting=1), "Appliances", "regression",
        ("date",), features=("t1", "rh_1", "rv1"), extra={"skewed": True},
    )  # fmt: skip


def occupancy():
    chance = seeded(4)
    times = pd.date_range("2015-02-04 17:51", periods=3000, freq="min")
    busy = (times.hour.to_numpy() >= 8) & (times.hour.to_numpy() < 18)
    busy ^= chance.random(3000) < 0.02
    frame = pd.DataFrame(
        {
            "date": times.strftime("%Y-%m-%d %H:%M:%S"),
            "Temperature": chance.normal(21, 1, 3000).round(3),
            "Light": np.where(busy, 400, 0) + chance.normal(100, 80, 3000).round(1),
            "HumidityRatio": chance.random(3000).round(5) / 100,
            "Occupancy": busy.astype(int),
        },
        index=[str(number) for number in range(1, 3001)],
    )
    text = frame.to_csv(quoting=2)
    return Table(
        "datatest.txt", text.encode(), "Occupancy", "binary", ("date",), every="hour",
        features=("temperature", "light", "humidity_ratio"),
    )  # fmt: skip


def json_with_offsets():
    chance, times = seeded(7), _hours(900, "2022-06-01")
    lines = [
        json.dumps(
            {
                "at": f"{moment:%Y-%m-%dT%H:%M:%S}+02:00", "load": float(value),
                "wind": None if at % 50 == 0 else round(float(chance.random()), 3),
                "holiday": bool(moment.dayofweek == 6),
            }
        )
        for at, (moment, value) in enumerate(zip(times, wave(times, chance), strict=True))
    ]  # fmt: skip
    return Table(
        "load.jsonl", "\n".join(lines).encode(), "load", "regression", ("at",),
        features=("wind", "holiday"),
    )  # fmt: skip


def afternoon():
    chance, times = seeded(8), _hours(900, "2021-01-30 09:00")
    frame = pd.DataFrame(
        {
            "Datetime": times.strftime("%m/%d/%Y %I:%M:%S %p"),
            "Zone 1 (kW)": wave(times, chance, scale=1000),
            "order": chance.integers(0, 500, 900),
        }
    )
    return Table(
        "zone.csv", csv_bytes(frame), "Zone 1 (kW)", "regression", ("Datetime",),
        "%m/%d/%Y %I:%M:%S %p", features=("order_value",),
    )  # fmt: skip


def activities():
    chance, times = seeded(9), _hours(1200, "2020-02-01")
    frame = pd.DataFrame(
        {
            "timestamp": (times.astype("int64") // 1_000_000).astype(str),
            "x": chance.normal(0, 1, 1200).round(4), "y": chance.normal(0, 1, 1200).round(4),
            "activity": chance.choice(["walking", "sitting", "running"], 1200),
        }
    )  # fmt: skip
    frame["code"] = frame["activity"].map({"walking": 1, "sitting": 2, "running": 3})
    return Table(
        "activity.csv", csv_bytes(frame), "activity", "multiclass", ("timestamp",), "epoch_ms",
        features=("x", "y"), not_features=("code",), extra={"after_event": ("code",)},
    )  # fmt: skip


def no_time():
    chance = seeded(10)
    frame = pd.DataFrame(
        {
            "fixed acidity": chance.normal(8, 1, 1600).round(1),
            "pH": chance.normal(3.3, 0.1, 1600).round(2),
            "alcohol": chance.normal(10, 1, 1600).round(1),
            "quality": chance.choice([4, 5, 6, 7], 1600),
        }
    )
    return Table(
        "winequality-red.csv", csv_bytes(frame, sep=";"), "quality", "multiclass", (),
        features=("fixed_acidity", "p_h", "alcohol"),
    )  # fmt: skip


def packed_tabs():
    chance, times = seeded(11), _hours(800, "2019-11-30")
    frame = pd.DataFrame(
        {
            "day": times.strftime("%Y%m%d"), "hr": times.hour, "demand": wave(times, chance),
            "temp": chance.normal(10, 5, 800).round(1), "site": "north",
        }
    )  # fmt: skip
    return Table(
        "demand.tsv.gz", gzip.compress(csv_bytes(frame, sep="\t")), "demand", "regression",
        ("day", "hr"), "%Y%m%d %H", features=("temp",), not_features=("site",),
    )  # fmt: skip


def columnar():
    chance, times = seeded(12), _hours(900, "2022-03-01")
    frame = pd.DataFrame(
        {
            "time": times.tz_localize("UTC"), "speed": wave(times, chance),
            "gust": chance.random(900) * 20, "ok": chance.random(900) < 0.5,
            "serviced": (times - pd.Timedelta(days=3)).floor("D").tz_localize("UTC"),
        }
    )  # fmt: skip
    return Table(
        "wind.parquet", frame.to_parquet(index=False), "speed", "regression", ("time",),
        features=("gust", "ok", "serviced"),
    )  # fmt: skip


def shuffled_western():
    chance, times = seeded(13), _hours(900, "2021-05-13")
    frame = pd.DataFrame(
        {
            "Zeitpunkt": times.strftime("%d.%m.%Y %H:%M"), "Größe": wave(times, chance),
            "Straße": chance.choice(["Hauptstraße", "Höhenweg"], 900),
            "Feuchte (%)": chance.normal(60, 5, 900).round(1),
        }
    ).sample(frac=1, random_state=0)  # fmt: skip
    return Table(
        "messung.csv", csv_bytes(frame, sep=";", decimal=",").decode().encode("cp1252"), "Größe",
        "regression", ("Zeitpunkt",), "%d.%m.%Y %H:%M", features=("feuchte", "strasse"),
        extra={"encoding": "cp1252"},
    )  # fmt: skip


def grouped_digits():
    chance, times = seeded(15), _hours(900, "2025-01-01")
    points = str.maketrans(",.", ".,")
    weight = wave(times, chance, scale=80)
    frame = pd.DataFrame(
        {
            "zeit": times.strftime("%d.%m.%Y %H:%M"),
            "menge": [f"{n:,}".translate(points) for n in chance.integers(1, 1500, 900)],
            "anteil": [f"{n:.1f} %".translate(points) for n in chance.uniform(0, 100, 900)],
            "gewicht": [f"{n * 5:,.2f}".translate(points) for n in weight],
        }
    )
    return Table(
        "mengen.csv", csv_bytes(frame, sep=";"), "gewicht", "regression", ("zeit",),
        "%d.%m.%Y %H:%M", features=("menge", "anteil"),
        extra={"decimal": ",", "thousands": ".", "percent": ("anteil",)},
    )  # fmt: skip


def marked():
    chance = seeded(14)
    months = pd.date_range("1949-01-01", periods=300, freq="MS")
    frame = pd.DataFrame(
        {"Month": months.strftime("%Y-%m"), "#Passengers": chance.integers(100, 600, 300)}
    )
    return Table(
        "AirPassengers.csv", b"\xef\xbb\xbf" + csv_bytes(frame), "#Passengers", "regression",
        ("Month",), "%Y-%m", every="month", extra={"encoding": "utf-8-sig"},
    )  # fmt: skip


SERIES = (
    air_quality, beijing, household, appliances, occupancy, json_with_offsets, afternoon,
    activities, no_time, packed_tabs, columnar, shuffled_western, grouped_digits, marked,
)  # fmt: skip
