"""Which columns stand still, and for which it only looks so."""

from datetime import timedelta

import duckdb
import numpy as np
import pandas as pd

from ml_assets.checks.no_dead_column import dead_stretches, values_by_date
from ml_assets.core.contract import Column, Contract
from ml_assets.storage.statistics import column_statistics

START = pd.Timestamp("2025-01-01")
KINDS = {"O": "string", "b": "boolean", "i": "integer", "f": "float"}


def found(values, *, a_day):
    """Return what is said of the column x, of which ``a_day`` values belong to each day."""
    dates = START + pd.to_timedelta(np.arange(len(values)) // a_day, unit="D")
    rows = pd.DataFrame({"_date": dates.date, "x": values})
    kind = (
        KINDS[rows["x"].dropna().infer_objects().dtype.kind]
        if rows["x"].notna().any()
        else "string"
    )
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE validated_data AS FROM rows")
        contract = Contract((Column("x", kind),))
        connection.register("statistics", column_statistics(connection, "rows", contract))
        last = START.date() + timedelta(days=len(values) // a_day + 1)
        return dead_stretches(values_by_date(connection, START.date(), last))


def texts(*values):
    return pd.Series(values, dtype=object)


def test_a_column_of_one_value_never_varies():
    for value in ("a", 3, 2.5, True):
        assert found([value] * 100, a_day=20) == (["x"], [])
    assert found(texts(*[None] * 100), a_day=20) == (["x"], [])


def test_few_rows_of_one_value_say_nothing():
    assert found(texts(*["a"] * 40), a_day=2) == ([], [])


def test_a_column_that_dies_and_comes_alive_is_dated():
    chance = np.random.default_rng(0)
    for some in (chance.normal(size=400), chance.choice(["a", "b"], 400), chance.random(400) < 0.5):
        alive = pd.Series(some, dtype=object)
        dead = pd.Series([alive[0]] * 400, dtype=object)
        assert found(pd.concat([alive, dead], ignore_index=True), a_day=20) == (
            [],
            ["x stands still from 2025-01-21"],
        )
        assert found(pd.concat([dead, alive], ignore_index=True), a_day=20) == (
            [],
            ["x comes alive on 2025-01-21"],
        )


def test_a_text_that_is_another_each_day_varies():
    days = [f"day {number // 20}" for number in range(600)]
    assert found(texts(*days), a_day=20) == ([], [])


def test_a_value_on_some_rows_and_none_on_others_varies():
    assert found(texts(*["a", "a", "a", None] * 50), a_day=20) == ([], [])


def test_a_rare_value_does_not_stand_still_between_its_days():
    for seed in range(20):
        rare = np.random.default_rng(seed).random(300 * 13) < 0.001  # on 4 of 300 days
        rare[[5, -5]] = True
        assert found(rare, a_day=13) == ([], [])
    often = np.random.default_rng(0).random(4000) < 0.03
    assert found(often, a_day=13) == ([], [])


def test_a_value_that_changes_with_the_season_does_not_stand_still():
    seasons = np.repeat([1, 2, 3], [800, 1200, 1200])
    for values in (seasons, texts(*seasons.astype(str)), seasons > 1):
        assert found(values, a_day=13) == ([], [])


def test_small_days_count_as_well_as_large_ones():
    dates = [START.date() + timedelta(days=number) for number in range(40)]
    rows = []
    for number, moment in enumerate(dates):
        large = number % 10 == 0
        rows += [("x", moment, "=0", 25 if large else 18)]
        rows += [] if large else [("x", moment, "=1", 1)]
    values = pd.DataFrame(rows, columns=["column", "_date", "value", "rows"])
    assert dead_stretches(values) == ([], [])


def test_a_value_that_fills_whole_days_is_judged_by_days():
    flags = (np.arange(2400) // 24 % 7 == 0).astype(int)  # a whole day in each week
    assert found(flags, a_day=24) == ([], [])
