from dataclasses import replace

import numpy as np
import pytest

from ml_assets.core.errors import DeclarationError
from ml_assets.core.problem import Interval
from ml_assets.core.search import drawn, search
from ml_assets_tests.core.learning_data import problem, training_set

SPACE = {"alpha": {"low": 1e-3, "high": 1e4, "log": True}, "fit_intercept": [True, False]}


def _problem(trials=6, **declared):
    ridge = {"name": "ridge", "estimator": "sklearn.linear_model.Ridge", "search": SPACE}
    return problem(candidates=[ridge], search={"trials": trials, "folds": 2}, **declared)


def _search(declared, data, **options):
    return search(declared, declared.candidates[0], data, **{"seed": 0, **options})


def test_the_same_seed_tries_and_ranks_the_same():
    first, again = (_search(_problem(), training_set(rows=1440)).to_json() for _ in range(2))
    assert first == again
    assert first != _search(_problem(), training_set(rows=1440), seed=1).to_json()


def test_trials_are_ranked_and_the_first_one_is_the_declaration():
    result = _search(_problem(), training_set(rows=1440))
    losses = [trial.loss for trial in result.trials]
    assert losses == sorted(losses)
    assert sorted(trial.number for trial in result.trials) == [0, 1, 2, 3, 4, 5]
    declared = next(trial for trial in result.trials if trial.number == 0)
    assert declared.configuration.params == {}
    assert len(declared.losses) == 2
    assert result.best == result.trials[0].configuration


def test_more_trials_keep_the_first_ones():
    few, many = (_search(_problem(trials), training_set(rows=1440)) for trials in (3, 6))
    params = {trial.number: trial.configuration.params for trial in many.trials}
    assert all(params[trial.number] == trial.configuration.params for trial in few.trials)


def test_no_trial_starts_after_the_budget_and_the_result_says_so():
    seconds = iter(range(1000))
    result = _search(_problem(), training_set(rows=1440), seconds=4.0, clock=lambda: next(seconds))
    assert 1 <= len(result.trials) < 6
    assert result.planned == 6
    assert "budget of 4 s" in result.note


@pytest.mark.slow
def test_trials_in_processes_of_their_own_find_the_same():
    slow = iter(range(0, 10**6, 100))  # trials that seem long are worth processes
    aside = _search(
        _problem(), training_set(rows=1440), seconds=1e9, clock=lambda: float(next(slow))
    )
    assert aside.to_json() == _search(_problem(), training_set(rows=1440)).to_json()


def test_rows_that_the_evaluation_judges_have_no_part_in_the_choice():
    declared, data = _problem(), training_set(rows=1440)
    times = data.frame["event_time"]
    judged = times > times.max() - 3 * declared.evaluation.horizon
    changed = replace(data, frame=data.frame.assign(y=data.frame["y"].where(~judged, -1e6)))
    assert len(_search(declared, data).trials) == 6
    assert _search(declared, data).to_json() == _search(declared, changed).to_json()


def test_rows_too_few_for_folds_of_the_search_keep_the_declaration_and_say_why():
    result = _search(_problem(), training_set(rows=500))
    assert [trial.number for trial in result.trials] == [0]
    assert "kept without a search" in result.note


def test_without_a_search_the_declaration_is_kept_untried():
    result = _search(problem(search={"trials": 9}), training_set())
    assert [trial.loss for trial in result.trials] == [None]


def test_a_space_beyond_what_the_estimator_takes_names_the_trial():
    declared = _problem()
    bad = declared.candidates[0].model_copy(update={"search": {"alpha": (-1.0, -2.0)}})
    with pytest.raises(DeclarationError, match=r"'alpha': -[12]"):
        search(declared, bad, training_set(rows=1440), seed=0)


def test_drawn_values_keep_to_their_intervals():
    space = {
        "log": Interval(low=1e-4, high=1, log=True),
        "whole": Interval(low=2, high=4, integer=True),
        "whole_log": Interval(low=10, high=1000, integer=True, log=True),
        "choice": ("a", "b"),
    }
    many = [drawn(space, seed=seed) for seed in range(300)]
    assert {one["whole"] for one in many} == {2, 3, 4}
    assert all(isinstance(one["whole_log"], int) and 10 <= one["whole_log"] <= 1000 for one in many)
    assert np.median([one["log"] for one in many]) == pytest.approx(1e-2, rel=0.6)
    assert {one["choice"] for one in many} == {"a", "b"}
