"""What the declaration refuses, and how it says so."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from ml_assets.core.problem import Problem

MINIMAL = {
    "name": "demand",
    "task": "regression",
    "source": {"kind": "files", "path": "demand.csv"},
    "time": {"columns": ["at"]},
    "partitions": {"start": "2024-01-01"},
    "label": {"column": "y", "delay": "PT1H"},
    "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
}


def declared(**changes):
    return Problem.model_validate({**MINIMAL, **changes})


def test_defaults_fill_in_the_rest():
    problem = declared()
    assert problem.metrics == ("mae", "rmse", "bias", "r2")
    assert problem.identity == ("event_time",)
    assert problem.label_reach == timedelta(days=14, hours=1)


WRONG = {
    "unknown field": ({"partition": {}}, "Did you mean 'partitions'"),
    "unknown nested field": ({"gates": {"atleast": {}}}, "Did you mean 'at_least'"),
    "unknown metric": ({"metrics": ["mea"]}, "Did you mean 'mae'"),
    "metric of another task": ({"metrics": ["accuracy"]}, "is not for regression"),
    "primary metric without row loss": ({"metrics": ["r2"]}, "not a mean over rows"),
    "gap shorter than delay": ({"evaluation": {"gap": "PT1M"}}, "shorter than label.delay"),
    "negative delay": ({"label": {"column": "y", "delay": "-PT1H"}}, "zero or more"),
    "two kinds of time": ({"time": {"columns": ["a"], "sequence": {"step": "PT1H"}}}, "not both"),
    "no time": ({"time": {}}, "either 'columns' or 'sequence'"),
    "bad zone": ({"time": {"columns": ["a"], "timezone": "Mars"}}, "Unknown time zone"),
    "seasonal without period": ({"baselines": [{"kind": "seasonal"}]}, "needs a 'period'"),
    "name used twice": ({"candidates": [MINIMAL["candidates"][0]] * 2}, "used twice"),
    "end before start": ({"partitions": {"start": "2024-02-01", "end": "2024-01-01"}}, "before"),
    "unknown encoding": (
        {"source": {"kind": "files", "path": "a", "format": {"encoding": "utf-99"}}},
        "Did you mean 'utf-8'",
    ),
    "long delimiter": (
        {"source": {"kind": "files", "path": "a", "format": {"delimiter": "||"}}},
        "must be one character",
    ),
    "no estimator path": (
        {"candidates": [{"name": "x", "estimator": "Ridge"}]},
        "not an import path",
    ),
    "empty search interval": (
        {"candidates": [{**MINIMAL["candidates"][0], "search": {"a": {"low": 2, "high": 1}}}]},
        "low < high",
    ),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG.keys())
def test_wrong_declarations_are_refused_with_advice(changes, words):
    with pytest.raises(ValidationError) as refused:
        declared(**changes)
    assert words in str(refused.value)
