"""Thresholds in front of the preparation: cuts to the bit, and who is sent the other way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from ml_assets.core.compiled import compile_model
from ml_assets.core.compiled.proof import columns_of, difference
from ml_assets.core.compiled.ranks import Ranks
from ml_assets.core.errors import DataError
from ml_assets_tests.core.compiled_cases import TREES, training_frame

FRAME = training_frame()
WRONG = ({"mode": "new"}, {"mode": None}, {"count": 3.5}, {"count": np.nan})


def strict(estimator):
    """Unseen categories are refused, texts and numbers alike."""
    columns = [
        ("texts", OneHotEncoder(sparse_output=False), ["mode"]),
        ("counted", OneHotEncoder(sparse_output=False), ["count"]),
        ("scaled", StandardScaler(), ["heat"]),
    ]
    return Pipeline([("columns", ColumnTransformer(columns)), ("model", estimator)])


@pytest.fixture(scope="module")
def refusing():
    estimator = HistGradientBoostingRegressor(max_iter=20, random_state=0, early_stopping=False)
    y = FRAME["count"] + 3 * (FRAME["mode"] == "eco") + FRAME["heat"].fillna(0.0) / 9
    model = strict(estimator).fit(FRAME, y)
    compiled = compile_model(
        model, task="regression", numeric=["heat", "count"], categorical=["mode"]
    )
    assert compiled.masks is not None
    return model, compiled


def asked(heat=20.0, count=3.0, mode="eco", rows=1):
    return np.array([[heat, count]] * rows), [[mode] * rows]


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "wrong", [{"mode": "new"}, {"mode": None}, {"count": 3.5}, {"count": np.nan}]
)
def test_a_refused_value_is_refused_by_the_other_way(refusing, rows, wrong):
    _, compiled = refusing
    assert compiled.masks.codes(*asked(rows=rows)) is not None
    assert compiled.masks.codes(*asked(rows=rows, **wrong)) is None
    with pytest.raises(DataError, match="category"):
        compiled.predict(*asked(rows=rows, **wrong))


def test_categories_that_are_numbers_are_answered_as_scikit_learn_does(refusing):
    model, compiled = refusing
    assert difference(compiled, model, FRAME, "regression", seed=0) is None


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_goes_the_other_way_and_has_an_answer_where_scikit_learn_has_one(rows, value):
    case = next(case for case in TREES if case.takes_infinity and case.fitted()[1].masks)
    compiled = case.fitted()[1]
    numbers, texts, _ = columns_of(compiled, FRAME.head(rows))
    numbers[:, 0] = value
    assert compiled.masks.codes(numbers, texts) is None
    assert np.isfinite(compiled.predict(numbers, texts).values).all()


@given(
    offset=st.floats(-1e3, 1e3),
    scale=st.sampled_from([0.1, 1.0, 3.0, 1e9]),
    falling=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_cuts_are_where_the_prepared_number_passes_the_threshold(offset, scale, falling, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(offset, scale, 200)
    y = np.where(x > np.median(x), 1.0, 0.0) + rng.normal(0, 0.1, 200)
    scaler = StandardScaler()
    model = Pipeline([("scale", scaler), ("model", GradientBoostingRegressor(n_estimators=5))])
    frame = pd.DataFrame({"x": x})
    model.fit(frame, y)
    if falling:
        scaler.scale_ = -scaler.scale_
    compiled = compile_model(model, task="regression", numeric=["x"])
    ((group,),) = [group.members for group in compiled.masks._groups]
    cuts = group[0].steps[:-1]
    beside = np.concatenate([cuts, np.nextafter(cuts, np.inf), np.nextafter(cuts, -np.inf), x])
    trees = compiled.estimator
    walked = trees.sums(trees.walk.codes(trees.seen(compiled.matrix(beside[:, None]))), trees.walk)
    straight = trees.sums(compiled.masks.codes(beside[:, None], ()), compiled.masks)
    assert np.array_equal(walked, straight)
    thresholds = compiled.thresholds()[0]
    assert 0 < len(cuts) <= len(thresholds)


_ANY = st.floats(allow_nan=False, allow_infinity=False)


@given(
    steps=st.lists(
        st.one_of(
            st.lists(st.floats(-9, 9), min_size=0, max_size=40),
            # Steps of all sizes lie in one cell, or none does.
            st.lists(_ANY, min_size=0, max_size=40),
            st.lists(st.floats(-9, 9), min_size=100, max_size=300),
        ).map(lambda one: sorted({*one, np.inf})),
        min_size=1,
        max_size=4,
    ),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_ranks_are_those_of_a_search_in_each_column(steps, seed):
    rng = np.random.default_rng(seed)
    known = np.concatenate([one[:-1] for one in steps] + [[0.0, np.nan, -99.0, 99.0]])
    with np.errstate(over="ignore"):  # beside the largest number there is infinity
        known = np.concatenate([known, np.nextafter(known, -np.inf), np.nextafter(known, np.inf)])
    known = known[~np.isinf(known)]
    matrix = rng.choice(known, (30, len(steps) + 1))
    positions = rng.permutation(len(steps) + 1)[: len(steps)]
    found = Ranks(positions, [np.array(one) for one in steps]).of(matrix)
    for row, position, one in zip(found, positions, steps, strict=True):
        assert np.array_equal(row, np.searchsorted(one, matrix[:, position]))


def test_trees_of_nothing_but_categories_are_masked():
    texts = ["rig", "mode"]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("texts", encoder, texts)])
    estimator = HistGradientBoostingRegressor(max_iter=5, early_stopping=False)
    model = Pipeline([("columns", columns), ("model", estimator)])
    model.fit(FRAME, (FRAME["rig"] == "b") * 2.0 + (FRAME["mode"] == "eco"))
    compiled = compile_model(model, task="regression", numeric=[], categorical=texts)
    assert compiled.masks is not None
    assert difference(compiled, model, FRAME, "regression", seed=0) is None
