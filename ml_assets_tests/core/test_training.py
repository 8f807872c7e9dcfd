import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ml_assets.core.errors import DataError, DeclarationError
from ml_assets.core.problem import Baseline, Candidate
from ml_assets.core.training import Configuration, as_known_at, fit, plain_labels, predict
from ml_assets_tests.core.learning_data import problem, training_set

RIDGE = Configuration(name="ridge", kind="candidate", estimator="sklearn.linear_model.Ridge")


def test_configuration_comes_back_from_json_unchanged():
    candidate = Candidate(
        name="net",
        estimator="sklearn.neural_network.MLPRegressor",
        params={"hidden_layer_sizes": (8, 4)},
        target_transform="log1p",
        window="P30D",
        half_life="PT36H",
    )
    configuration = Configuration.of_candidate(candidate, {"alpha": 0.1})
    text = json.dumps(configuration.to_json())
    assert Configuration.from_json(json.loads(text)) == configuration
    assert configuration.params == {"hidden_layer_sizes": [8, 4], "alpha": 0.1}


def test_parameters_that_json_cannot_hold_are_refused():
    with pytest.raises(DeclarationError, match="plain JSON"):
        replace(RIDGE, params={"alpha": object()})


@pytest.mark.parametrize(
    ("baseline", "task", "estimator", "params"),
    [
        ({"kind": "typical"}, "binary", "TypicalClassifier", {}),
        ({"kind": "persistence"}, "regression", "PastLabelRegressor", "baseline__persistence"),
        (
            {"kind": "seasonal", "period": "P1D"},
            "multiclass",
            "PastLabelClassifier",
            "baseline__seasonal_86400s",
        ),
    ],
)
def test_a_baseline_reads_the_column_of_its_name(baseline, task, estimator, params):
    configuration = Configuration.of_baseline(Baseline(**baseline), task)
    assert configuration.estimator == f"ml_assets.core.baselines.{estimator}"
    assert configuration.params == ({"column": params} if params else {})


def test_a_window_forgets_what_is_older():
    data = training_set()
    first_days = np.arange(len(data.frame)) < 400
    changed = replace(data, frame=data.frame.assign(y=data.frame["y"].where(~first_days, 99.0)))
    recent = replace(RIDGE, window=timedelta(days=4))
    asked = data.inputs[-5:]
    assert np.array_equal(
        predict(fit(recent, data, seed=0), asked, "regression").values,
        predict(fit(recent, changed, seed=0), asked, "regression").values,
    )
    assert not np.array_equal(
        predict(fit(RIDGE, data, seed=0), asked, "regression").values,
        predict(fit(RIDGE, changed, seed=0), asked, "regression").values,
    )


def test_a_short_half_life_follows_the_newest_rows():
    data = training_set()
    late = np.arange(len(data.frame)) >= 600
    moved = replace(data, frame=data.frame.assign(y=data.frame["y"] + 50.0 * late))
    weighed = fit(replace(RIDGE, half_life=timedelta(hours=12)), moved, seed=0)
    equal = fit(RIDGE, moved, seed=0)
    newest = moved.inputs[-50:]
    assert np.mean(predict(weighed, newest, "regression").values) > 50
    assert np.mean(predict(equal, newest, "regression").values) < 30


def test_a_half_life_needs_an_estimator_that_weighs_rows():
    neighbours = replace(
        RIDGE, estimator="sklearn.neighbors.KNeighborsRegressor", half_life=timedelta(days=1)
    )
    with pytest.raises(DeclarationError, match="cannot weigh rows"):
        fit(neighbours, training_set(), seed=0)


def test_rows_that_cannot_be_learned_from_are_named():
    data = training_set()
    infinite = replace(data, frame=data.frame.assign(load=np.inf))
    with pytest.raises(DataError, match="'load'"):
        fit(RIDGE, infinite, seed=0)
    with pytest.raises(DataError, match="no row to learn from"):
        fit(replace(RIDGE, window=timedelta(hours=1)), data, seed=0)
    negative = replace(data, frame=data.frame.assign(y=-3.0))
    with pytest.raises(DataError, match="target_transform"):
        fit(replace(RIDGE, target_transform="log1p"), negative, seed=0)
    one_class = replace(training_set("binary"), frame=data.frame.assign(y=1))
    logistic = replace(RIDGE, estimator="sklearn.linear_model.LogisticRegression")
    with pytest.raises(DataError, match="all 720 labels are"):
        fit(logistic, one_class, seed=0)


@pytest.mark.parametrize("estimator", ["Ridge", "HistGradientBoostingRegressor"])
def test_a_number_that_was_never_there_yet_is_no_obstacle(estimator):
    module = "linear_model" if estimator == "Ridge" else "ensemble"
    data = training_set()
    empty = replace(data, frame=data.frame.assign(heat=np.nan))
    model = fit(replace(RIDGE, estimator=f"sklearn.{module}.{estimator}"), empty, seed=0)
    assert np.isfinite(predict(model, data.inputs, "regression").values).all()


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_decision_function_serves_as_probabilities(task):
    data = training_set(task)
    machine = replace(RIDGE, estimator="sklearn.linear_model.RidgeClassifier")
    answers = predict(fit(machine, data, seed=0), data.inputs, task)
    assert answers.probabilities.shape == (len(data.frame), len(answers.classes))
    assert answers.probabilities.sum(axis=1) == pytest.approx(1.0)
    winners = np.array(answers.classes)[answers.probabilities.argmax(axis=1)]
    assert (winners == answers.values).all()


def test_a_model_names_the_features_it_reads_and_no_past_label():
    model = fit(RIDGE, training_set(), seed=0)
    assert model.feature_names_in_.tolist() == ["load", "heat", "rig"]


def test_labels_keep_their_kind():
    assert plain_labels(training_set("multiclass")).dtype.kind == "U"
    assert plain_labels(training_set("binary")).dtype.kind == "i"
    earlier = as_known_at(training_set(), np.arange(10), problem().partitions.start)
    assert len(earlier.frame) == 10
    assert earlier.cutoff == problem().partitions.start
