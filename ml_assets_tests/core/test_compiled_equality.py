"""A compiled model answers as scikit-learn does: trees to the bit, linear models nearly so."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from ml_assets.core.compiled import CompiledModel, compile_model
from ml_assets.core.compiled.proof import allowance, columns_of, difference
from ml_assets.core.errors import DataError
from ml_assets.core.training import predict
from ml_assets_tests.core.compiled_cases import (
    CASES,
    CATEGORICAL,
    LINEAR,
    NUMERIC,
    TREES,
    labels,
    training_frame,
)

by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
trees_by_name = pytest.mark.parametrize("case", TREES, ids=[case.name for case in TREES])
EDGES = [0.0, -0.0, 1e-320, -1e-308, 3.4e38, -3.4e38, 1e-45, 16777217.0, np.nan]
FRAME = training_frame()
seldom = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def rows(draw, *, wide=True):
    """Rows like those of production: ordinary, rounded, on training values, missing or absurd."""
    count = draw(st.sampled_from([1, 2, 7, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frame = FRAME.iloc[rng.integers(0, len(FRAME), count)].reset_index(drop=True)
    for name in NUMERIC:
        known = FRAME[name].fillna(1.0).to_numpy()
        kinds = [
            frame[name].to_numpy(),
            rng.permutation(known)[:count],
            np.round(rng.normal(known.mean(), 2 * known.std() + 1, count), 2),
            np.nextafter(rng.permutation(known)[:count], rng.choice([-np.inf, np.inf], count)),
            np.full(count, draw(st.sampled_from(EDGES if wide else EDGES[:1]))),
            np.full(count, draw(st.floats(-1e6, 1e6))),
        ]
        chosen = rng.integers(0, len(kinds), count)
        frame[name] = np.choose(chosen, kinds)
    for name in CATEGORICAL:
        strange = draw(st.one_of(st.none(), st.text(max_size=4), st.just("rare")))
        replaced = rng.random(count) < 0.3
        frame[name] = np.where(replaced, strange, frame[name].to_numpy(dtype=object))
    return frame


def bits(values):
    return np.asarray(values, dtype=np.float64).view(np.int64).tolist()


def assert_the_same_bits(found, expected):
    assert found.values.tolist() == expected.values.tolist()
    if expected.probabilities is None:
        assert bits(found.values) == bits(expected.values)
    else:
        assert found.classes == expected.classes
        assert bits(found.probabilities) == bits(expected.probabilities)


def answers(case, frame):
    """Return what the compiled model and scikit-learn say; None where it refuses the rows."""
    model, compiled = case.fitted()
    if len(frame) == 1:  # of ten classes, scikit-learn adds one row's in another order than many's
        frame = pd.concat([frame, frame], ignore_index=True)
    asked = columns_of(compiled, frame)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found unknown categories")
            expected = predict(model, frame, case.task)
    except ValueError:
        with pytest.raises(DataError):
            compiled.predict(*asked)
        return None
    return compiled.predict(*asked), expected, asked


@trees_by_name
@given(frame=rows())
@seldom
def test_trees_are_equal_to_the_bit(case, frame):
    found = answers(case, frame)
    if found is not None:
        assert_the_same_bits(found[0], found[1])


@trees_by_name
@given(frame=rows())
@seldom
def test_a_row_of_trees_is_answered_alone_as_among_others(case, frame):
    found = answers(case, frame)
    if found is None:
        return
    compiled = case.fitted()[1]
    together, _, (numbers, texts, _) = found
    for n in range(min(7, len(frame))):
        alone = compiled.predict(numbers[n : n + 1], [column[n : n + 1] for column in texts])
        assert alone.values.tolist() == together.values[n : n + 1].tolist()
        if together.probabilities is not None:
            assert bits(alone.probabilities) == bits(together.probabilities[n : n + 1])


@pytest.mark.parametrize("case", LINEAR, ids=[case.name for case in LINEAR])
@given(frame=rows(wide=False))
@seldom
def test_linear_models_are_within_two_ulps_of_the_sum_of_their_terms(case, frame):
    found = answers(case, frame)
    assert found is not None
    together, expected, asked = found
    compiled = case.fitted()[1]
    allowed = allowance(compiled, *asked[:2])
    if expected.probabilities is not None:
        gap = np.abs(together.probabilities - expected.probabilities).max(axis=1)
        assert (gap <= allowed + 1e-15).all()
        return
    size = np.abs(expected.values)
    finite = np.isfinite(size)  # an exponential of a vast score is infinite on both sides
    assert np.array_equal(together.values[~finite], expected.values[~finite])
    gap = np.abs(together.values[finite] - expected.values[finite])
    assert (gap <= (allowed * (1 + size) + 1e-15 * size)[finite]).all()


@by_name
def test_the_proof_finds_no_difference(case):
    model, compiled = case.fitted()
    assert difference(compiled, model, FRAME, case.task, seed=1) is None


@pytest.mark.parametrize("case", [c for c in TREES if c.takes_infinity], ids=lambda case: case.name)
def test_infinite_numbers_are_answered_where_the_family_takes_them(case):
    frame = FRAME.head(60).copy()
    frame.loc[:20, "load"] = np.inf
    frame.loc[10:40, "heat"] = -np.inf
    found = answers(case, frame)
    assert found is not None
    assert_the_same_bits(found[0], found[1])


def test_infinite_numbers_are_refused_where_scikit_learn_refuses_them():
    case = next(case for case in TREES if case.name == "forest")
    assert answers(case, FRAME.head(3).assign(load=np.inf)) is None
    assert answers(case, FRAME.head(3).assign(load=1e300)) is None


def test_small_trees_are_masked_and_large_ones_walked():
    used = {case.name: case.fitted()[1].masks for case in TREES}
    assert used["boosted, 64 leaves"] is not None
    assert used["boosted, large"] is None
    assert used["forest"] is None


@given(
    seed=st.integers(0, 1000),
    leaves=st.sampled_from([2, 3, 8, 9, 16, 17, 31, 33, 63, 64]),
    rounded=st.booleans(),
)
@settings(max_examples=15, deadline=None)
@example(seed=0, leaves=64, rounded=True)
def test_masks_walk_and_scikit_learn_agree_on_any_boosted_trees(seed, leaves, rounded):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 4)) * 10.0 ** rng.integers(-3, 4, 4)
    X = np.round(X, 2) if rounded else X
    X[rng.random(X.shape) < 0.1] = np.nan
    names = [f"x{n}" for n in range(4)]
    y = np.nan_to_num(X).sum(axis=1) + rng.normal(size=400)
    model = HistGradientBoostingRegressor(max_iter=12, max_leaf_nodes=leaves, min_samples_leaf=2)
    frame = pd.DataFrame(X, columns=names)
    with threadpool_limits(limits=1):
        model.fit(frame, y)
    compiled = compile_model(model, task="regression", numeric=names)
    asked = np.where(
        rng.random((300, 4)) < 0.5, X[rng.integers(0, 400, 300)], rng.normal(size=(300, 4))
    )
    expected = predict(model, pd.DataFrame(asked, columns=names), "regression").values
    assert bits(compiled.predict(asked).values) == bits(expected)
    walk, masks = compiled.estimator.walk, compiled.masks
    by_walk = walk.values[walk.codes(compiled.matrix(asked)) + walk.offsets]
    assert np.array_equal(by_walk, masks.values[masks.codes(asked, ()) + masks.offsets])


def test_texts_that_are_missing_are_none_or_nan():
    case = next(case for case in TREES if case.name == "boosted")
    compiled = case.fitted()[1]
    numbers, texts, _ = columns_of(compiled, FRAME.head(2))
    with_none = compiled.predict(numbers, [[None, None], texts[1]])
    with_nan = compiled.predict(numbers, [[np.nan, np.nan], texts[1]])
    assert bits(with_none.values) == bits(with_nan.values)
    assert bits(with_none.values) != bits(compiled.predict(numbers, [["b", "b"], texts[1]]).values)


def test_no_row_and_wrong_shapes():
    case = next(case for case in TREES if case.name == "boosted ten")
    compiled = case.fitted()[1]
    empty = compiled.predict(np.empty((0, len(NUMERIC))), [[], []])
    assert empty.probabilities.shape == (0, 10)
    assert len(empty.values) == 0
    for numbers, texts in [
        (np.zeros((1, 2)), [["a"], ["b"]]),
        (np.zeros((1, len(NUMERIC))), [["a"]]),
        (np.zeros((1, len(NUMERIC))), [["a"], ["b", "c"]]),
        (np.zeros((1, len(NUMERIC)), dtype=np.float32), [["a"], ["b"]]),
    ]:
        with pytest.raises(DataError, match="numeric inputs"):
            compiled.predict(numbers, texts)


def test_labels_are_what_was_learned():
    two = next(case for case in TREES if case.name == "boosted two").fitted()[1]
    numbers, texts, extra = columns_of(two, FRAME.head(5))
    assert {type(value) for value in two.predict(numbers, texts, extra).values.tolist()} == {bool}
    assert two.classes == (False, True)
    assert labels("binary", FRAME).dtype == bool


def test_a_file_is_the_same_bytes_each_time():
    for case in (TREES[0], LINEAR[0]):
        compiled = case.fitted()[1]
        content = compiled.to_bytes()
        assert content == compiled.to_bytes()
        assert CompiledModel.from_bytes(content).to_bytes() == content
