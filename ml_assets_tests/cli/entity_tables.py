"""Small tables of several entities: stocks, sensors, shops, orders."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from ml_assets_tests.cli.unseen_tables import Table, csv_bytes, seeded


def stocks():
    chance = seeded(5)
    days = pd.bdate_range("2018-01-01", periods=500)
    parts = [
        pd.DataFrame(
            {
                "Date": days.strftime("%m/%d/%Y"), "Symbol": symbol,
                "Open": (start + chance.normal(0, 1, 500).cumsum()).round(2),
                "Volume": chance.integers(1000, 90000, 500),
                "Up": chance.choice(["yes", "no"], 500),
            }
        )
        for symbol, start in (("AAA", 100), ("BBB", 50), ("CCC", 300), ("DDD", 20))
    ]  # fmt: skip
    return Table(
        "stocks.csv", csv_bytes(pd.concat(parts)), "Up", "binary", ("Date",), "%m/%d/%Y",
        keys=("symbol",), every="week", features=("open", "volume"),
    )  # fmt: skip


def sensors():
    chance = seeded(6)
    start = int(datetime(2023, 5, 1, tzinfo=UTC).timestamp())
    rows = [
        {
            "ts": start + 60 * minute + int(chance.integers(0, 40)), "device": f"00:{node}:b7",
            "humidity": round(50 + float(chance.normal(0, 3)), 2),
            "light": bool(chance.random() < 0.5),
            "temp": round(20 + node + float(chance.normal(0, 1)), 2),
        }
        for minute in range(1500) for node in (1, 2, 3)
    ]  # fmt: skip
    return Table(
        "iot.csv", csv_bytes(pd.DataFrame(rows)), "temp", "regression", ("ts",), "epoch_s",
        keys=("device",), every="hour", features=("humidity", "light"),
    )  # fmt: skip


def shop_items():
    chance = seeded(15)
    days = pd.date_range("2013-01-01", periods=200)
    frame = pd.DataFrame(
        [
            (day.strftime("%d-%m-%Y"), store, item, int(chance.integers(0, 300)))
            for store in range(1, 4) for item in range(1, 6) for day in days
        ],
        columns=["date", "store", "item", "sales"],
    )  # fmt: skip
    return Table(
        "train.csv", csv_bytes(frame), "sales", "regression", ("date",), "%d-%m-%Y",
        keys=("store", "item"), every="week",
    )  # fmt: skip


def orders():
    chance = seeded(16)
    minutes = np.sort(chance.integers(0, 60 * 24 * 60, 3000))
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=int(m) // 30 * 30) for m in minutes]
    frame = pd.DataFrame(
        {
            "trans_id": chance.permutation(900000)[:3000],
            "when": [f"{time:%Y-%m-%d %H:%M}" for time in times],
            "amount": np.exp(chance.normal(3, 1, 3000)).round(2),
            "is_fraud": (chance.random(3000) < 0.1).astype(int),
        }
    )  # fmt: skip
    return Table(
        "orders.csv", csv_bytes(frame), "is_fraud", "binary", ("when",),
        keys=("trans_id",), features=("amount",),
    )  # fmt: skip


ENTITIES = (stocks, sensors, shop_items, orders)
