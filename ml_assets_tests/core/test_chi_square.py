"""The test of one category against what counting says exactly."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from ml_assets.core.chi_square import _of_each


@pytest.mark.parametrize("rows", [500, 1000, 2000])
@pytest.mark.parametrize("share", [0.003, 0.05, 0.44])
def test_a_category_is_judged_by_fishers_exact_test(rows, share):
    reference = 20_000
    held = round(share * reference)
    spread = (rows * share * (1 - share)) ** 0.5
    counts = np.unique(np.maximum(0, np.round(rows * share + spread * np.arange(-5, 6))))
    every = rows + reference
    exact = [
        min(
            1.0,
            2
            * min(
                hypergeom.sf(k - 1, every, k + held, rows), hypergeom.cdf(k, every, k + held, rows)
            ),
        )
        for k in counts
    ]
    found = _of_each(counts[:, None], np.full((len(counts), 1), rows), np.array([held]), reference)
    assert found[:, 0] == pytest.approx(exact, rel=0.05)


def test_a_window_that_holds_nothing_else_or_nothing_of_it():
    only = _of_each(np.array([[500.0]]), np.array([[500.0]]), np.array([10_000.0]), 20_000)
    none = _of_each(np.array([[0.0]]), np.array([[500.0]]), np.array([10_000.0]), 20_000)
    assert only[0, 0] < 1e-100
    assert none[0, 0] < 1e-15
