import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor

from ml_assets.core.baselines import (
    PastLabelClassifier,
    PastLabelRegressor,
    TypicalClassifier,
    TypicalRegressor,
)
from ml_assets.core.errors import ArtefactError
from ml_assets.storage.model_files import load, save

PROOF: list[str] = []


class Intruder:
    """Runs code when it is constructed."""

    def __reduce__(self):
        return PROOF.append, ("constructed",)


X = pd.DataFrame({"x": np.linspace(0, 1, 40), "baseline__b": np.arange(40) % 2})
NUMBERS = np.arange(40) / 7
CLASSES = np.arange(40) % 2


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (Ridge(), NUMBERS),
        (HistGradientBoostingRegressor(max_iter=3), NUMBERS),
        (KNeighborsRegressor(algorithm="kd_tree"), NUMBERS),
        (MLPRegressor(hidden_layer_sizes=(2,), solver="lbfgs", max_iter=500), NUMBERS),
        (TypicalRegressor(), NUMBERS),
        (PastLabelRegressor("baseline__b"), NUMBERS),
        (LogisticRegression(), CLASSES),
        (RandomForestClassifier(n_estimators=3), CLASSES),
        (TypicalClassifier(), CLASSES),
        (PastLabelClassifier("baseline__b"), CLASSES),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_stored_model_answers_the_same_bits(estimator, y):
    estimator.fit(X, y)
    assert np.array_equal(load(save(estimator)).predict(X), estimator.predict(X))


def test_a_model_of_an_untrusted_type_is_refused_and_not_constructed():
    model = skops.io.dumps({"model": Intruder()})
    with pytest.raises(ArtefactError, match="not trusted"):
        load(model)
    assert PROOF == []


def test_a_model_that_could_not_be_loaded_is_not_stored():
    ridge = Ridge().fit(X, NUMBERS)
    ridge.intruder_ = Intruder()
    with pytest.raises(ArtefactError, match="not trusted"):
        save(ridge)


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_a_file_that_is_no_model_is_refused(content):
    with pytest.raises(ArtefactError, match="cannot be read"):
        load(content)
