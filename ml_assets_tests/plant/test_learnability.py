"""The problem is worth learning: a model beats the baselines, and wear breaks the model."""

from datetime import timedelta
from functools import cache

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score

from ml_assets.core.window import Window
from ml_assets.plant import ORIGIN, SCENARIOS, Plant
from ml_assets.plant.instruments import GARBAGE

WEARS = [name for name in SCENARIOS if name != "quiet"]
TARGET = "next_amplitude_mm"


@cache
def rows(scenario: str, first: int, last: int) -> tuple[pd.DataFrame, pd.Series]:
    """Features (readings and rig table) and target of some days."""
    plant = Plant(scenario)
    window = Window(ORIGIN + timedelta(days=first), ORIGIN + timedelta(days=last))
    joined = plant.readings(window).merge(plant.labels(window), on=["rig", "measured_at"])
    joined = joined.merge(plant.rig_table(), on="rig")
    X = joined.drop(columns=["measured_at", "known_at", "installed_on", TARGET])
    X = X.mask(X.isin(GARBAGE))
    text = X.select_dtypes("object").columns
    return X.astype(dict.fromkeys(text, "category")), joined[TARGET]


def fitted(X, y):
    """A small model: a few large steps are as good here as scikit-learn's defaults."""
    return HistGradientBoostingRegressor(learning_rate=0.2, max_iter=60, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def week():
    return rows("quiet", 0, 7)


@pytest.fixture(scope="module")
def model(week):
    return fitted(*week)


@pytest.fixture(scope="module")
def quiet():
    return rows("quiet", 10, 13)


def mae(model, X, y) -> float:
    return (y - model.predict(X)).abs().mean()


def test_a_week_of_ten_rigs_is_enough_to_learn(model, quiet):
    X, y = quiet
    assert 0.93 < r2_score(y, model.predict(X)) < 0.98


def test_the_baselines_are_clearly_worse(week, model, quiet):
    X, y = quiet
    typical = (y - week[1].median()).abs().mean()
    persistence = (y - y.groupby(X["rig"], observed=True).shift(13)).abs().mean()
    assert typical > 3 * mae(model, X, y)
    assert persistence > 3 * mae(model, X, y)


@pytest.mark.parametrize("name", WEARS)
def test_full_wear_raises_the_error(name, model, quiet):
    worn = rows(f"{name}@P7D", 10, 13)
    assert 1.4 < mae(model, *worn) / mae(model, *quiet) < 2.5


@pytest.mark.parametrize("name", WEARS)
def test_the_readings_hardly_show_the_wear(name, quiet):
    worn, _ = rows(f"{name}@P7D", 10, 13)
    X, _ = quiet
    shift = (worn.mean(numeric_only=True) - X.mean(numeric_only=True)) / X.std(numeric_only=True)
    # A soft spring swings slower: the period, read from a coarse clock, is where it shows most.
    limit = 0.8 if name == "spring_fatigue" else 0.5
    assert shift.abs().max() < limit


def test_a_model_that_has_seen_the_wear_is_as_good_as_before(quiet, model):
    refitted = fitted(*rows("spring_fatigue@P0D", 3, 10))
    worn = rows("spring_fatigue@P0D", 10, 13)
    assert mae(refitted, *worn) < 1.15 * mae(model, *quiet)
