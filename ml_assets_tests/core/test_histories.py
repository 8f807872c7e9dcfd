"""After a change a candidate competes in three ways of using the past, where each can learn."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from ml_assets.core.evaluation import evaluate
from ml_assets.core.gates import decide
from ml_assets.core.histories import adapting, judged_since
from ml_assets.core.problem import Candidate
from ml_assets.core.training import Configuration
from ml_assets.core.walk_forward import Champion, walk_forward
from ml_assets_tests.core.learning_data import (
    LOGISTIC,
    RIDGE,
    configurations,
    problem,
    training_set,
)

DAY = timedelta(days=1)


def named(declared, rows, change):
    candidates = [Candidate.model_validate(one) for one in declared]
    chosen = [Configuration.of_candidate(one) for one in candidates]
    return [one.name for one in adapting(chosen, candidates, rows=rows, change=change)]


def test_a_candidate_is_tried_on_all_recent_and_weighted_history():
    rows = training_set()
    change = rows.cutoff - 5 * DAY
    assert named([RIDGE], rows, change) == ["ridge", "ridge__weighted", "ridge__recent"]
    assert named([{**RIDGE, "adapts": False}], rows, change) == ["ridge"]
    assert named([{**RIDGE, "half_life": "P3D"}], rows, change) == ["ridge"]
    assert named([{**RIDGE, "window": "P4D"}], rows, change) == ["ridge", "ridge__weighted"]
    neighbours = {"name": "near", "estimator": "sklearn.neighbors.KNeighborsRegressor"}
    assert named([neighbours], rows, change) == ["near", "near__recent"]


def test_a_history_that_teaches_nothing_is_left_out():
    rows = training_set("binary")
    change = rows.cutoff - 3 * DAY
    late = (rows.frame["event_time"] >= change).to_numpy()
    same = replace(rows, frame=rows.frame.assign(y=np.where(late, 1, rows.labels)))
    assert "logistic__recent" not in named([LOGISTIC], same, change)
    assert "logistic__recent" in named([LOGISTIC], rows, change)
    # Also where it is a fold that leaves it nothing.
    declared = problem("binary")
    recent = replace(
        configurations(declared)[0], name="logistic__recent", window=timedelta(hours=8)
    )
    walk = walk_forward(
        declared, same, [*configurations(declared), recent], champion=None, seed=0, change=change
    )
    assert "logistic__recent" not in [one.name for one in walk.answers]


def test_all_folds_lie_after_the_change_and_learn_from_after_it():
    declared, rows = problem(), training_set()
    change = rows.cutoff - 6 * DAY
    walk = walk_forward(
        declared, rows, configurations(declared), champion=None, seed=0, change=change
    )
    gap = declared.label.delay
    for fold in walk.folds:
        assert fold.window.start > change + gap
        assert (rows.frame["event_time"].iloc[fold.train] >= change).any()
    assert len(walk.folds) == declared.evaluation.folds


def test_too_few_rows_since_the_change_are_no_reason_to_cut_the_folds_short():
    declared, rows = problem(), training_set()
    assert judged_since(declared, rows, rows.cutoff - DAY) is None
    change = rows.cutoff - 6 * DAY
    assert judged_since(declared, rows, change) == change
    assert judged_since(declared, rows, None) is None


def test_after_a_change_a_challenger_need_not_prove_again_that_it_beats_the_baselines():
    declared, rows = problem(gates={"promote_when": "unless_worse"}), training_set()
    change = rows.cutoff - 6 * DAY
    stale = Champion(_never_right(), cutoff=change)
    evaluation = evaluate(
        declared, rows, configurations(declared), champion=stale, seed=0, change=change
    )
    assert "after the change" in evaluation.warnings[-1]
    decision = decide(declared, evaluation, champion="champion")
    gates = [row.gate for row in decision.rows]
    assert "not provably worse than typical" in gates
    assert "not provably worse than the champion" in gates
    assert decision.promote


def test_unless_worse_keeps_a_champion_that_is_provably_better():
    declared, rows = problem(gates={"promote_when": "unless_worse"}), training_set()
    evaluation = evaluate(
        declared, rows, configurations(declared), champion=_of_the_first_week(declared), seed=0
    )
    assert decide(declared, evaluation, "ridge", champion="champion").promote
    assert not decide(declared, evaluation, "typical", champion="champion").promote


class _Constant:
    feature_names_in_ = np.array(["load", "heat", "rig"], dtype=object)

    def predict(self, inputs):
        return np.full(len(inputs), 1e3)


def _never_right():
    return _Constant()


def _of_the_first_week(declared):
    from ml_assets.core.training import fit  # noqa: PLC0415

    first = training_set(rows=168)
    return Champion(fit(configurations(declared)[0], first, seed=0), first.cutoff)
