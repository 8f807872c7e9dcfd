"""Columns that know the label are named, honest ones are not."""

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.leakage import find_leaks

ROWS = 2000


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "k": np.repeat(["a", "b"], ROWS // 2),
            "hour": np.tile(np.arange(24), ROWS)[:ROWS],
            "one": rng.gamma(2, 10, ROWS),
            "two": rng.gamma(3, 5, ROWS),
            "price": rng.normal(size=ROWS).cumsum(),
        }
    )


def test_noise_is_no_leak(frame):
    label = frame["one"] + np.random.default_rng(2).normal(scale=5, size=ROWS)
    assert find_leaks(frame, label, task="regression", keys=["k"], periods=(1, 24)) == []


def test_a_sum_of_columns_is_named(frame):
    label = (frame["one"] + frame["two"]).rename("total")
    (leak,) = find_leaks(frame, label, task="regression", keys=["k"])
    assert set(leak.columns) == {"one", "two"}
    assert leak.formula.endswith("= total")


def test_a_monotone_copy_is_named(frame):
    (leak,) = find_leaks(frame, np.log(frame["one"]), task="regression", keys=["k"])
    assert leak.columns == ("one",)


def test_a_class_made_from_a_recent_mean_is_named(frame):
    mean = frame.groupby("k")["price"].transform(lambda p: p.shift().rolling(24).mean())
    label = pd.Series(np.where(frame["price"] > mean, "UP", "DOWN")).where(mean.notna(), None)
    (leak,) = find_leaks(frame, label, task="binary", keys=["k"], periods=(1, 24))
    assert leak.columns == ("price",)
    assert "24 previous" in leak.formula


def test_few_rows_show_an_exact_sum_and_nothing_less(frame):
    few = frame.head(50).drop(columns="k")
    total = (few["one"] + few["two"]).rename("total")
    (leak,) = find_leaks(few, total, task="regression")
    assert leak.formula in {"one + two = total", "two + one = total"}
    noise = np.random.default_rng(3).normal(scale=1e-3, size=50)
    assert find_leaks(few, total + noise, task="regression") == []
    assert find_leaks(few, np.log(few["one"]), task="regression") == []
    assert find_leaks(few, pd.Series(few["one"] > 20), task="binary") == []
    assert find_leaks(few.head(20), total.head(20), task="regression") == []


def test_a_pair_among_columns_that_move_alike_is_named():
    rng = np.random.default_rng(4)
    trend = np.arange(150.0)[:, None]
    walks = trend * rng.uniform(1, 9, 20) + rng.normal(scale=5, size=(150, 20)).cumsum(axis=0)
    frame = pd.DataFrame(walks, columns=[f"c{n}" for n in range(20)])
    for first, second in ((0, 1), (7, 12), (3, 19)):
        total = (frame[f"c{first}"] + frame[f"c{second}"]).rename("total")
        (leak,) = find_leaks(frame, total, task="regression")
        assert set(leak.columns) == {f"c{first}", f"c{second}"}
