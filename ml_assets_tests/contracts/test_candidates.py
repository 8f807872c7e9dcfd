"""Every estimator that a problem may declare, against everything the project asks of a model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from ml_assets.core.feature_query import BASELINE_PREFIX
from ml_assets.core.problem import Baseline
from ml_assets.core.training import Configuration, fit, plain_labels, predict
from ml_assets_tests.core.learning_data import training_set

SMALL = {"n_estimators": 5}
BOTH = {  # class name without Regressor or Classifier -> parameters
    "ensemble.RandomForest": SMALL,
    "ensemble.ExtraTrees": SMALL,
    "ensemble.GradientBoosting": SMALL,
    "ensemble.HistGradientBoosting": {"max_iter": 5},
    "neighbors.KNeighbors": {},
    "neural_network.MLP": {"hidden_layer_sizes": [4], "max_iter": 5},
}


def _candidates(task):
    ending = "Regressor" if task == "regression" else "Classifier"
    linear = "Ridge" if task == "regression" else "LogisticRegression"
    paths = {f"linear_model.{linear}": {}}
    paths |= {name + ending: params for name, params in BOTH.items()}
    for path, params in paths.items():
        name = path.rsplit(".", 1)[1].lower()
        estimator = f"sklearn.{path}"
        yield Configuration(name=name, kind="candidate", estimator=estimator, params=params)
    if task == "regression":
        yield Configuration(
            name="ridge_of_logarithm",
            kind="candidate",
            estimator="sklearn.linear_model.Ridge",
            target_transform="log1p",
        )


def _baselines(task):
    yield Configuration.of_baseline(Baseline(kind="typical"), task)
    yield Configuration.of_baseline(Baseline(kind="persistence"), task)


CASES = [
    pytest.param(task, configuration, id=f"{task}-{configuration.name}")
    for task in ("regression", "binary", "multiclass")
    for configuration in (*_candidates(task), *_baselines(task))
]
CANDIDATES = [case for case in CASES if case.values[1].kind == "candidate"]

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"
)


def _fitted(configuration, data):
    return fit(configuration, data, seed=3)


def _data(task):
    data = training_set(task, rows=240)
    if task == "regression":  # positive, for the logarithm
        data = replace(data, frame=data.frame.assign(y=data.frame["y"].abs()))
    return data


def _asked(data):
    """Rows as production may send them: every feature missing once, a category never seen."""
    inputs = data.inputs[:60].copy()
    inputs.loc[0, list(data.numeric)] = np.nan
    inputs.loc[1, list(data.categorical)] = None
    inputs.loc[2, list(data.categorical)] = "never seen"
    return inputs


def _answers(model, inputs, task):
    with threadpool_limits(limits=1):
        return predict(model, inputs, task)


def _assert_equal_to_the_bit(one, other):
    assert np.array_equal(one.values, other.values)
    assert one.classes == other.classes
    if one.probabilities is not None:
        assert np.array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize(("task", "configuration"), CASES)
def test_answers_rows_with_missing_values_and_unseen_categories(task, configuration):
    data = _data(task)
    asked = _asked(data)
    answers = _answers(_fitted(configuration, data), asked, task)
    assert len(answers) == len(asked)
    if task == "regression":
        assert np.isfinite(answers.values).all()
        return
    assert set(answers.values.tolist()) <= set(plain_labels(data).tolist())
    assert answers.classes == tuple(np.unique(plain_labels(data)).tolist())
    assert answers.probabilities.shape == (len(asked), len(answers.classes))
    assert answers.probabilities.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(("task", "configuration"), CASES)
def test_the_same_configuration_and_seed_give_the_same_model(task, configuration):
    data = _data(task)
    again = Configuration.from_json(json.loads(json.dumps(configuration.to_json())))
    assert again == configuration
    _assert_equal_to_the_bit(
        _answers(_fitted(configuration, data), _asked(data), task),
        _answers(_fitted(again, data), _asked(data), task),
    )


@pytest.mark.parametrize(("task", "configuration"), CASES)
def test_a_stored_model_answers_the_same(task, configuration):
    data = _data(task)
    model = _fitted(configuration, data)
    stored = skops.io.dumps(model)
    types = skops.io.get_untrusted_types(data=stored)
    assert all(name.split(".")[0] in {"sklearn", "numpy", "ml_assets"} for name in types)
    _assert_equal_to_the_bit(
        _answers(model, _asked(data), task),
        _answers(skops.io.loads(stored, trusted=types), _asked(data), task),
    )


@pytest.mark.parametrize(("task", "configuration"), CANDIDATES)
def test_past_labels_of_the_baselines_are_not_read(task, configuration):
    data = _data(task)
    without = [name for name in data.frame.columns if not name.startswith(BASELINE_PREFIX)]
    blind = replace(data, frame=data.frame[without])
    model = _fitted(configuration, data)
    inputs = _asked(data)
    expected = _answers(model, inputs, task)
    features = inputs[list(data.features)]
    _assert_equal_to_the_bit(expected, _answers(model, features, task))
    _assert_equal_to_the_bit(expected, _answers(_fitted(configuration, blind), features, task))


@pytest.mark.parametrize(("task", "configuration"), CANDIDATES)
def test_the_order_of_the_columns_does_not_matter(task, configuration):
    data = _data(task)
    model = _fitted(configuration, data)
    inputs = _asked(data)
    _assert_equal_to_the_bit(
        _answers(model, inputs, task), _answers(model, inputs[inputs.columns[::-1]], task)
    )
