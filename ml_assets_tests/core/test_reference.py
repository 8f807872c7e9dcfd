import json
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter

from ml_assets.core.column_reference import is_constant
from ml_assets.core.effect import equivalent_shift
from ml_assets.core.errors import ArtefactError, DataError
from ml_assets.core.histograms import WindowCounts, count_column
from ml_assets.core.reference import Reference

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
KINDS = {"normal": "float", "skewed": "float", "count": "float", "category": "string"}


@cache
def rows(count, *, seed, rho=0.0):
    rng = np.random.default_rng(seed)

    def uniform():
        noise = rng.normal(size=count + 500) * (1 - rho**2) ** 0.5
        return stats.norm.cdf(lfilter([1.0], [1.0, -rho], noise)[500:])

    return pd.DataFrame(
        {
            "normal": stats.norm.ppf(uniform()),
            "skewed": np.exp(stats.norm.ppf(uniform())),
            "count": stats.poisson.ppf(uniform(), 4.0),
            "category": np.array(list("abcde"), object)[(uniform() * 5).astype(int)],
        }
    )


def fitted(frame, kinds=KINDS, window_rows=250, windows=40):
    return Reference.fit(
        frame, kinds, roles={}, window=HOUR, window_rows=window_rows, windows=windows
    )


@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.parametrize("name", list(KINDS))
def test_without_drift_small_p_values_are_rare(name, rho):
    """The contract of every test of a column, over the luck of several references."""
    p_values = []
    for seed in range(5, 11):
        frame = rows(25_000, seed=seed, rho=rho)[[name]]
        column = fitted(frame[:10_000], {name: KINDS[name]}).columns[name]
        for start in range(10_000, len(frame), 250):
            bins = count_column(frame[name][start : start + 250], column.bins).bins
            p_values.append(float(column.test.p_value(bins)))
    assert np.mean(np.array(p_values) < 0.05) < 0.09
    assert np.mean(np.array(p_values) < 0.001) < 0.012
    assert min(p_values) >= 0
    assert max(p_values) <= 1


@pytest.mark.parametrize("name", list(KINDS))
def test_dependent_rows_weigh_less(name):
    independent = fitted(rows(10_000, seed=5)).columns[name].test.design_effect()
    dependent = fitted(rows(10_000, seed=5, rho=0.9)).columns[name].test.design_effect()
    assert independent < 1.6
    assert dependent > 2 * independent


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 1.0])
def test_effect_reads_as_standard_deviations(shift):
    frame = rows(10_000, seed=6)
    test = fitted(frame).columns["normal"].test
    moved = count_column(rows(20_000, seed=7)["normal"] + shift, fitted(frame).bins["normal"]).bins
    assert test.effect(moved) == pytest.approx(shift, abs=0.06)


def test_effect_has_no_sample_size_in_it():
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    effects = [
        equivalent_shift(rng.multinomial(300, shares), rng.multinomial(10_000, shares))
        for _ in range(200)
    ]
    assert np.median(effects) < 0.05


def test_a_reference_survives_json():
    frame = rows(5000, seed=8)
    reference = fitted(frame)
    restored = Reference.from_json(json.loads(json.dumps(reference.to_json())))
    window = WindowCounts.of(rows(500, seed=9), restored.bins, start=START)
    assert restored.bins == reference.bins
    assert (restored.window, restored.rows) == (HOUR, 5000)
    for name, column in reference.columns.items():
        bins = window.columns[name].bins
        assert restored.columns[name].test.p_value(bins) == column.test.p_value(bins)
        assert restored.columns[name].test.effect(bins) == column.test.effect(bins)
        assert restored.columns[name].role == column.role


def test_a_reference_of_another_format_is_refused():
    with pytest.raises(ArtefactError, match="format 99"):
        Reference.from_json({**fitted(rows(500, seed=1)).to_json(), "format": 99})


@pytest.mark.parametrize(
    ("column", "message"),
    [(None, "is not there"), (["x", "y"], "no number"), ([None], "no number")],
)
def test_a_column_without_values_is_refused(column, message):
    frame = pd.DataFrame({"other": range(len(column or [1]))})
    if column is not None:
        frame["x"] = column
    with pytest.raises(DataError, match=f"'x'.*{message}"):
        fitted(frame, {"x": "float"})


@pytest.mark.parametrize(
    ("count", "chunks", "chunk_rows"),
    [(100_000, 40, 250), (3000, 12, 250), (900, 8, 112), (50, 2, 25)],
)
def test_chunks_are_windows_where_there_are_enough(count, chunks, chunk_rows):
    reference = fitted(rows(count, seed=2)[["normal"]], {"normal": "float"})
    assert reference.chunk_rows == chunk_rows
    assert reference.columns["normal"].chunks[0].bins.sum(axis=1).tolist() == [chunk_rows] * chunks


def test_new_categories_are_expected_where_many_came_once():
    mixed = np.random.default_rng(0).permutation(1000)
    often = pd.DataFrame({"x": ["a"] * 500 + ["b"] * 500}).iloc[mixed]
    once = pd.DataFrame({"x": ["a"] * 900 + [f"id{i}" for i in range(100)]}).iloc[mixed]
    surprise = fitted(often, {"x": "string"}).columns["x"].chance_of_unseen(10, 200)
    usual = fitted(once, {"x": "string"}).columns["x"].chance_of_unseen(10, 200)
    assert surprise < 1e-6
    assert usual > 0.3


def test_any_change_of_a_constant_column_shows():
    constant = pd.DataFrame({"x": np.full(2000, 3.0)})
    column = fitted(constant, {"x": "float"}).columns["x"]
    same = count_column(pd.Series(np.full(300, 3.0)), column.bins)
    moved = count_column(pd.Series(np.r_[np.full(290, 3.0), np.full(10, 3.1)]), column.bins)
    assert is_constant(same)
    assert not is_constant(moved)
    assert column.test.p_value(same.bins) == 1.0
    assert column.test.p_value(moved.bins) < 1e-10
    assert column.test.effect(moved.bins) > 0.1
