from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.histograms import (
    REST,
    CategoryBins,
    NumericBins,
    count_column,
    fit_bins,
)

START = datetime(2024, 3, 1, tzinfo=UTC)


def columns():
    rng = np.random.default_rng(3)
    return {
        "normal": pd.Series(rng.normal(size=4000)),
        "integer": pd.Series(rng.poisson(4.0, size=4000)),
        "zero_inflated": pd.Series(
            np.where(rng.random(4000) < 0.6, 0.0, rng.exponential(size=4000))
        ),
        "constant": pd.Series(np.full(4000, 7.0)),
        "with_gaps": pd.Series(np.where(rng.random(4000) < 0.1, np.nan, rng.normal(size=4000))),
        "category": pd.Series(rng.choice(np.array(["a", "b", None], object), 4000)),
    }


KINDS = dict.fromkeys(columns(), "float") | {"category": "string"}


@pytest.mark.parametrize("name", list(KINDS))
def test_counts_of_parts_add_up_to_counts_of_the_whole(name):
    column = columns()[name]
    bins = fit_bins(column, KINDS[name])
    whole = count_column(column, bins)
    parts = count_column(column[:1500], bins) + count_column(column[1500:], bins)
    assert parts.bins.tolist() == whole.bins.tolist()
    assert (parts.missing, parts.low, parts.high) == (whole.missing, whole.low, whole.high)
    assert whole.rows == len(column)
    assert len(whole.bins) == bins.size


@pytest.mark.parametrize("name", ["integer", "zero_inflated", "constant"])
def test_no_edge_lies_on_a_frequent_value(name):
    column = columns()[name]
    frequent = column.value_counts().loc[lambda counts: counts > 40].index
    edges = set(fit_bins(column, "float").edges)
    if name == "constant":
        assert edges == {7.0, np.nextafter(7.0, np.inf)}
    else:
        assert not edges & set(frequent)


def test_a_frequent_value_has_a_bin_of_its_own():
    column = columns()["zero_inflated"]
    counts = count_column(column, fit_bins(column, "float"))
    assert int((column == 0).sum()) in counts.bins.tolist()


def test_continuous_column_is_cut_at_its_quantiles():
    bins = fit_bins(columns()["normal"], "float")
    assert len(bins.edges) == 27
    counts = bins.count(columns()["normal"].to_numpy()).bins
    assert counts[4:-4].min() >= 99  # 2.5 % of 4000 and more
    assert counts[0] <= 4


def test_what_is_no_number_is_missing():
    counts = count_column(pd.Series(["1", "x", None, "inf", "3"]), NumericBins((2.0,)))
    assert counts.bins.tolist() == [1, 1]
    assert counts.missing == 3


def test_rare_known_and_unseen_categories_are_told_apart():
    bins = CategoryBins.fit(np.array(["a"] * 600 + ["b"] * 400 + ["rare"] * 2, object))
    counts = bins.count(np.array(["a", "rare", "new", "new", None, REST], object))
    assert counts.bins.tolist() == [1, 0, 2, 2]
    assert counts.missing == 1


def test_with_very_many_categories_a_new_one_is_only_other():
    bins = CategoryBins.fit(np.array([f"id{i}" for i in range(900)], object))
    assert not bins.complete
    assert bins.count(np.array(["new"], object)).bins.tolist() == [1, 0]
