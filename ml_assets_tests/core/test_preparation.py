import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from threadpoolctl import threadpool_limits

from ml_assets.core.errors import DataError
from ml_assets.core.preparation import MOST_CATEGORIES, prepared, takes_missing_numbers


def _frame(rows=100):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"load": generator.normal(size=rows), "empty": np.full(rows, np.nan)})
    frame["rig"] = pd.Series(["a", "b", None, "c"] * (rows // 4), dtype=object)
    frame.loc[::7, "load"] = np.nan
    return frame, generator.normal(size=rows)


def _columns(estimator, frame, y, numeric=("load",)):
    with threadpool_limits(limits=1):  # busy machines make OpenMP's threads wait on each other
        model = prepared(estimator, numeric=numeric, categorical=("rig",)).fit(frame, y)
    return model.named_steps["inputs"].transform(frame)


def test_missing_numbers_pass_where_the_estimator_takes_them_and_are_marked_elsewhere():
    frame, y = _frame()
    assert takes_missing_numbers(HistGradientBoostingRegressor())
    assert not takes_missing_numbers(KNeighborsRegressor())
    assert np.isnan(_columns(HistGradientBoostingRegressor(), frame, y)[0, 0])
    filled = _columns(Ridge(), frame, y, numeric=("load", "empty"))
    assert np.isfinite(filled).all()
    assert filled.shape[1] == 2 + 2 + 4  # numbers, their marks, the categories with "missing"


def test_many_categories_become_a_bounded_number_of_columns():
    frame = pd.DataFrame({"rig": [f"rig_{number % 90}" for number in range(900)]}, dtype=object)
    model = prepared(Ridge(), numeric=(), categorical=("rig",)).fit(frame, np.arange(900.0))
    assert model.named_steps["inputs"].transform(frame).shape[1] == MOST_CATEGORIES


def test_the_logarithm_of_the_target_is_undone():
    frame, y = _frame()
    label = np.expm1(3 + y)
    model = prepared(
        Ridge(), numeric=("load",), categorical=("rig",), target_transform="log1p"
    ).fit(frame, label)
    assert np.median(model.predict(frame)) == pytest.approx(np.median(label), rel=0.5)


def test_other_columns_are_not_read_and_need_not_be_there():
    frame, y = _frame()
    more = frame.assign(baseline__persistence=y)
    model = prepared(Ridge(), numeric=("load",), categorical=("rig",)).fit(more, y)
    assert np.array_equal(model.predict(frame), model.predict(more))


def test_no_feature_is_an_error():
    with pytest.raises(DataError, match="no feature"):
        prepared(Ridge(), numeric=(), categorical=())
