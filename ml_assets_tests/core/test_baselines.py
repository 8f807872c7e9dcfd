import numpy as np
import pandas as pd
import pytest

from ml_assets.core.baselines import (
    PastLabelClassifier,
    PastLabelRegressor,
    TypicalClassifier,
    TypicalRegressor,
)
from ml_assets.core.errors import DataError

COLUMN = "baseline__persistence"


def _inputs(past, dtype=None):
    return pd.DataFrame({COLUMN: pd.Series(past, dtype=dtype)})


def test_typical_is_the_median_and_the_most_frequent_class():
    rows = _inputs([0.0] * 5)
    assert TypicalRegressor().fit(rows, np.array([1, 2, 3, 4, 90.0])).predict(rows[:1]) == [3.0]
    model = TypicalClassifier().fit(rows, np.array(["b", "a", "b", "b", "c"]))
    assert model.predict(rows[:2]).tolist() == ["b", "b"]
    assert model.predict_proba(rows[:1]).tolist() == [[0.2, 0.6, 0.2]]


def test_past_label_is_repeated_and_a_missing_one_is_typical():
    model = PastLabelRegressor(COLUMN).fit(_inputs([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 9.0]))
    assert model.predict(_inputs([7.0, np.nan])).tolist() == [7.0, 5.0]


@pytest.mark.parametrize(
    ("labels", "past"),
    [
        (np.array([False, True, True]), [0.0, 1.0, np.nan]),
        (np.array([0, 1, 1]), [0.0, 1.0, np.nan]),
        (np.array(["no", "yes", "yes"]), ["no", "yes", None]),
    ],
)
def test_past_class_is_found_whatever_type_its_column_has(labels, past):
    model = PastLabelClassifier(COLUMN).fit(_inputs(past), labels)
    assert model.predict(_inputs(past)).tolist() == [labels[0], labels[1], labels[1]]


def test_probabilities_are_counted_after_each_class_and_smoothed():
    past = ["dry"] * 6 + ["wet"] * 2
    model = PastLabelClassifier(COLUMN).fit(_inputs(past), np.array(["dry"] * 5 + ["wet"] * 3))
    asked = _inputs(["dry", "wet", None, "hail"])
    expected = [[6 / 8, 2 / 8], [1 / 4, 3 / 4], [5 / 8, 3 / 8], [5 / 8, 3 / 8]]
    assert model.predict_proba(asked) == pytest.approx(np.array(expected))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=COLUMN):
        PastLabelRegressor(COLUMN).fit(pd.DataFrame({"load": [1.0]}), np.array([1.0]))
