import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.assets.report_content import shown_slices
from ml_assets.core.errors import DataError, DeclarationError
from ml_assets.core.evaluation import LOSS, PREDICTION, SLICE, Evaluation, evaluate
from ml_assets.core.training import as_known_at, fit
from ml_assets.core.walk_forward import Champion
from ml_assets_tests.core.learning_data import (
    LOGISTIC,
    RIDGE,
    START,
    configurations,
    problem,
    training_set,
)

TASKS = ("regression", "binary", "multiclass")


def _evaluate(declared, data, champion=None):
    return evaluate(declared, data, configurations(declared), champion=champion, seed=0)


def _champion(declared, data, *, days):
    cutoff = START + timedelta(days=days)
    known = np.flatnonzero((data.frame["label_known_at"] <= cutoff).to_numpy())
    model = fit(configurations(declared)[0], as_known_at(data, known, cutoff), seed=0)
    return Champion(model, cutoff)


@pytest.fixture(scope="module", params=TASKS)
def judged(request):
    declared = problem(request.param, slices=[{"column": "rig"}, {"column": "load", "bins": [0]}])
    data = training_set(request.param)
    return declared, _evaluate(declared, data, _champion(declared, data, days=8))


def test_every_metric_of_every_model_has_an_interval_around_it(judged):
    declared, evaluation = judged
    assert len(evaluation.scores) == 4 * len(declared.metrics)
    for score in evaluation.scores:
        assert np.isfinite([score.value, score.low, score.high]).all()
        assert score.low <= score.value <= score.high


def test_learning_beats_the_rules(judged):
    declared, evaluation = judged
    learned = evaluation.score(declared.candidates[0].name, declared.primary_metric)
    for baseline in ("typical", "persistence"):
        rule = evaluation.score(baseline, declared.primary_metric)
        assert learned.high < rule.low


def test_the_champion_answers_only_rows_after_its_cutoff(judged):
    _, evaluation = judged
    answered = evaluation.rows[LOSS + "champion"].notna()
    after = evaluation.rows["event_time"] > START + timedelta(days=8)
    assert answered.equals(after)
    assert 0 < after.sum() < len(after)
    assert evaluation.rows[PREDICTION + "champion"].notna().equals(after)


def test_slices_are_scored_on_their_own_rows(judged):
    declared, evaluation = judged
    name = declared.candidates[0].name
    one = next(s for s in evaluation.slices if s.slice == "rig = a" and s.model == name)
    inside = evaluation.rows[SLICE + "rig = a"]
    assert one.value == pytest.approx(evaluation.rows[LOSS + name][inside].mean())
    assert one.rows == inside.sum()
    assert one.low < one.value < one.high


def test_the_champion_is_judged_where_the_chosen_model_does_worst():
    declared = problem()
    data = training_set()
    worse = (data.frame["load"] > 1).to_numpy()
    noise = np.random.default_rng(1).normal(0, 8, len(worse))
    data = replace(data, frame=data.frame.assign(y=data.frame["y"] + noise * worse))
    evaluation = _evaluate(declared, data, _champion(declared, data, days=8))
    overall = evaluation.score("ridge", "mae").value
    shown = shown_slices(evaluation, "ridge")
    assert {score.model for score in shown} == {"ridge", "champion"}
    assert len({score.slice for score in shown}) == 1
    assert shown[0].value > overall
    assert "load >" in shown[0].slice


@pytest.mark.parametrize("task", TASKS)
def test_a_score_that_is_too_good_is_warned_of_by_the_name_of_its_column(task):
    trees = {"name": "trees", "estimator": "sklearn.tree.DecisionTreeClassifier"}
    declared = problem(task, candidates=[RIDGE if task == "regression" else trees])
    data = training_set(task)
    assert "too good" not in str(_evaluate(declared, data).warnings)
    truth = data.frame["y"]
    told = truth if task == "regression" else pd.Series(pd.factorize(truth)[0] * 1.0)
    frame = data.frame.assign(told=told)
    leaky = replace(data, frame=frame, numeric=(*data.numeric, "told"))
    (warning,) = _evaluate(declared, leaky).warnings
    assert "This is too good: look for a column that gives the target away: told." in warning


def test_what_persistence_does_as_well_is_not_too_good():
    data = training_set(rows=1440)
    slow = np.linspace(0, 1000, len(data.frame)) + data.frame["heat"]
    frame = data.frame.assign(y=slow, load=slow.shift(14), baseline__persistence=slow.shift(14))
    frame["load"] = frame["load"].fillna(0.0)
    evaluation = _evaluate(problem(), replace(data, frame=frame))
    assert evaluation.score("ridge", "r2").value > 0.999
    assert "too good" not in str(evaluation.warnings)


def test_a_class_that_was_never_seen_before_is_named():
    declared, data = problem("multiclass"), training_set("multiclass")
    assert _evaluate(declared, data).warnings == ()
    last = data.frame.index >= len(data.frame) - 20
    labels = data.frame["y"].mask(last, "crack")
    evaluation = _evaluate(declared, replace(data, frame=data.frame.assign(y=labels)))
    rows = (evaluation.rows["truth"] == "crack").sum()
    assert str(rows) + " judged rows are 'crack'" in str(evaluation.warnings)


def test_it_comes_back_from_json_with_its_rows(judged):
    _, evaluation = judged
    text = json.dumps(evaluation.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(text), evaluation.rows)
    assert again.to_json() == evaluation.to_json()
    assert again.scores == evaluation.scores
    assert again.folds[0].start == evaluation.folds[0].start


def test_the_used_features_matter_and_the_days_are_all_there(judged):
    declared, evaluation = judged
    top = evaluation.importance[0]
    assert (top.model, top.feature) == (declared.candidates[0].name, "load")
    assert top.low > 0
    days = [day.day for day in evaluation.residuals if day.model == "typical"]
    assert days == sorted(days)
    assert len(days) == evaluation.rows["event_time"].dt.date.nunique()
    bins = [point for point in evaluation.calibration if point.model == declared.candidates[0].name]
    assert sum(point.rows for point in bins) == len(evaluation.rows)
    assert bins[0].observed < bins[-1].observed


def test_the_same_seed_gives_the_same_evaluation():
    declared, data = problem(), training_set(rows=500)
    assert _evaluate(declared, data).to_json() == _evaluate(declared, data).to_json()


def test_what_happens_after_a_fold_changes_nothing_before_it():
    declared, data = problem(), training_set()
    last = data.frame["event_time"] > data.frame["event_time"].max() - timedelta(days=5)
    changed = replace(data, frame=data.frame.assign(y=data.frame["y"].mask(last, 1e6)))
    before, after = (_evaluate(declared, one).rows for one in (data, changed))
    early = before["fold"] < 2
    column = PREDICTION + "ridge"
    assert before[column][early].equals(after[column][early])
    assert before[column].equals(after[column])  # labels of the last fold are nobody's lesson


def test_the_losses_are_those_of_models_trained_before_each_fold():
    declared, data = problem(), training_set()
    evaluation = _evaluate(declared, data)
    start = evaluation.folds[1].start
    known = np.flatnonzero(
        (
            (data.frame["label_known_at"] <= start)
            & (data.frame["event_time"] < start - declared.label.delay)
        ).to_numpy()
    )
    model = fit(configurations(declared)[0], as_known_at(data, known, start), seed=0)
    inside = (data.frame["event_time"] >= start) & (
        data.frame["event_time"] < evaluation.folds[1].end
    )
    expected = model.predict(data.inputs[inside])
    of_fold = evaluation.rows["fold"] == 1
    assert np.array_equal(evaluation.rows[PREDICTION + "ridge"][of_fold], expected)


def test_temporal_kappa_without_persistence_is_left_out_and_said():
    declared = problem("binary", baselines=[{"kind": "typical"}])
    evaluation = _evaluate(declared, training_set("binary"))
    assert evaluation.score("logistic", "temporal_kappa") is None
    assert "persistence" in evaluation.warnings[0]


def test_metrics_that_only_a_gate_names_are_computed():
    declared = problem(metrics=["mae"], gates={"at_least": {"r2": 0.1}})
    data = training_set(rows=500)
    assert _evaluate(declared, data).score("ridge", "r2").value > 0.5
    with pytest.raises(DeclarationError, match="'f1' is not for regression"):
        _evaluate(problem(gates={"at_least": {"f1": 0.1}}), data)


def test_a_champion_that_cannot_be_asked_is_refused_with_the_reason():
    declared, data = problem(), training_set(rows=500)
    champion = _champion(declared, data, days=4)
    fewer = replace(data, numeric=("load",))
    with pytest.raises(DataError, match="'heat'"):
        _evaluate(declared, fewer, champion)
    with pytest.raises(DeclarationError, match="name of its own"):
        _evaluate(declared, data, replace(champion, name="ridge"))


def test_a_champion_newer_than_all_rows_is_judged_on_none():
    for task, candidate in (("regression", RIDGE), ("binary", LOGISTIC)):
        declared, data = problem(task), training_set(task, rows=500)
        champion = _champion(declared, data, days=4)
        evaluation = _evaluate(declared, data, replace(champion, cutoff=START + timedelta(days=99)))
        assert evaluation.rows[LOSS + "champion"].isna().all()
        assert evaluation.score("champion", declared.primary_metric) is None
        assert evaluation.score(candidate["name"], declared.primary_metric) is not None
