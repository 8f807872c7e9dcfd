import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.comparison import PairedLosses
from ml_assets.core.errors import DataError
from ml_assets.core.evaluation import LOSS, SLICE, Evaluation
from ml_assets.core.gates import contender, decide
from ml_assets.core.scores import Score
from ml_assets_tests.core.learning_data import RIDGE, START, problem

KINDS = {"typical": "baseline", "persistence": "baseline", "champion": "champion"}


def _evaluation(losses, *, metric="mae", slices=None, scores=()):
    """An evaluation made of losses alone: hourly rows, models named by their kinds."""
    rows = len(next(iter(losses.values())))
    times = pd.date_range(START, periods=rows, freq="h", unit="us")
    columns = {LOSS + name: loss for name, loss in losses.items()}
    columns |= {SLICE + name: mask for name, mask in (slices or {}).items()}
    return Evaluation(
        primary_metric=metric,
        confidence=0.95,
        cutoff=times[-1].to_pydatetime(),
        kinds={name: KINDS.get(name, "candidate") for name in losses},
        folds=(),
        scores=tuple(
            Score(model=m, kind="candidate", metric=n, value=v, low=v, high=v, rows=rows)
            for m, n, v in scores
        ),
        slices=(),
        calibration=(),
        residuals=(),
        importance=(),
        fold_losses=(),
        warnings=(),
        rows=pd.DataFrame({"event_time": times, **columns}),
    )


def _loss(mean, *, rows=400, seed=0, spread=0.1):
    return mean + spread * np.random.default_rng(seed).normal(size=rows)


def _gates(**declared):
    return problem(gates=declared)


def test_a_clear_gain_over_the_champion_is_promoted():
    evaluation = _evaluation({"ridge": _loss(0.8), "champion": _loss(1.0, seed=1)})
    decision = decide(_gates(), evaluation, champion="champion")
    assert decision.promote
    assert decision.model == "ridge"
    assert "better than 'champion'" in decision.reason
    assert [row.gate for row in decision.rows] == ["evidence", "better than the champion"]
    json.dumps(decision.to_json(), allow_nan=False)


@pytest.mark.parametrize("gain", [0.0, 0.005, -0.2])
def test_a_gain_that_may_be_chance_is_not_promoted(gain):
    evaluation = _evaluation({"ridge": _loss(1.0 - gain), "champion": _loss(1.0, seed=1)})
    decision = decide(_gates(), evaluation, champion="champion")
    assert not decision.promote
    assert "not provably better" in decision.reason


def test_not_worse_allows_the_margin_and_no_more():
    def decided(mean):
        evaluation = _evaluation({"ridge": _loss(mean, spread=0.01), "champion": _loss(1.0)})
        declared = _gates(promote_when="not_worse", margin=0.05)
        return decide(declared, evaluation, champion="champion")

    assert decided(1.0).promote
    assert decided(1.03).promote
    assert not decided(1.08).promote
    assert "not worse" in decided(1.0).rows[1].gate


def test_too_little_evidence_is_a_reason_of_its_own():
    losses = {"ridge": _loss(0.1, rows=60), "champion": _loss(1.0, rows=60)}
    decision = decide(_gates(), _evaluation(losses), champion="champion")
    assert not decision.promote
    assert decision.reason.startswith("Insufficient evidence: 60 rows")
    losses = {"ridge": _loss(0.1), "champion": np.where(np.arange(400) > 350, 1.0, np.nan)}
    assert (
        "after the cutoff of 'champion'"
        in decide(_gates(), _evaluation(losses), champion="champion").reason
    )


def test_many_rows_at_few_moments_are_little_evidence():
    evaluation = _evaluation({"ridge": _loss(0.1), "champion": _loss(1.0)})
    evaluation.rows["event_time"] = [START + timedelta(hours=n // 40) for n in range(400)]
    decision = decide(_gates(), evaluation, champion="champion")
    assert decision.reason.startswith("Insufficient evidence: 400 rows at 10 times")


def test_a_slice_that_is_worse_beyond_doubt_blocks_and_one_in_doubt_does_not():
    part = np.arange(400) % 5 == 0
    better = _loss(0.5)
    for worse, promoted in ((1.6, False), (1.05, True)):
        losses = {"ridge": np.where(part, worse, better), "champion": _loss(1.0, seed=1)}
        evaluation = _evaluation(losses, slices={"rig = a": part, "rig = b": ~part})
        decision = decide(_gates(), evaluation, champion="champion")
        assert decision.promote is promoted
        if not promoted:
            assert "Where rig = a" in decision.reason


def test_a_slice_that_looks_worse_by_chance_does_not_block():
    part = np.arange(400) % 5 == 0
    noisy = _loss(1.25, spread=2.0, seed=8)
    losses = {"ridge": np.where(part, noisy, 0.5), "champion": _loss(1.0, seed=1)}
    decision = decide(_gates(), _evaluation(losses, slices={"rig = a": part}), champion="champion")
    row = next(row for row in decision.rows if row.gate == "slice rig = a")
    assert row.observed > 0.1 > row.low
    assert row.passed


def test_a_slice_of_few_rows_is_not_judged():
    part = np.arange(400) % 20 == 0
    losses = {"ridge": np.where(part, 3.0, 0.1), "champion": _loss(1.0, seed=1)}
    decision = decide(_gates(), _evaluation(losses, slices={"rare": part}), champion="champion")
    assert decision.promote
    assert all(row.gate != "slice rare" for row in decision.rows)


def test_the_first_champion_is_a_candidate_only_if_it_beats_every_baseline():
    losses = {"ridge": _loss(0.5), "typical": _loss(1.0, seed=1), "persistence": _loss(0.9, seed=2)}
    decision = decide(_gates(), _evaluation(losses))
    assert (decision.promote, decision.model) == (True, "ridge")
    assert "First champion" in decision.reason
    losses["persistence"] = _loss(0.5, seed=3)
    decision = decide(_gates(), _evaluation(losses))
    assert (decision.promote, decision.model) == (True, "persistence")
    assert "no candidate is provably better" in decision.reason
    named = decide(_gates(), _evaluation(losses), challenger="ridge")
    assert not named.promote


def test_bounds_block_and_another_model_within_them_is_taken():
    losses = {"ridge": _loss(0.4), "boosted": _loss(0.5, seed=4), "typical": _loss(1.0, seed=1)}
    scores = [("ridge", "bias", -0.9), ("boosted", "bias", 0.01), ("typical", "bias", 0.0)]
    declared = _gates(at_most={"bias": 0.1})
    evaluation = _evaluation(losses, scores=scores)
    assert contender(declared, evaluation) == "boosted"
    assert decide(declared, evaluation).promote
    only = decide(declared, evaluation, challenger="ridge")
    assert not only.promote
    assert "bias of 'ridge' is 0.9" in only.reason
    assert not decide(_gates(at_least={"r2": 0.5}), evaluation).promote
    none = decide(_gates(at_most={"bias": -1.0}), evaluation)
    assert not none.promote


def test_picking_the_best_of_several_candidates_costs_confidence():
    ridge, champion = _loss(0.986, seed=0), _loss(1.0, seed=1)
    alone = _evaluation({"ridge": ridge, "champion": champion})
    several = {f"other_{n}": _loss(2.0, seed=9 + n) for n in range(9)}
    among = _evaluation({"ridge": ridge, "champion": champion, **several})
    one, many = (decide(_gates(), e, champion="champion").rows[1] for e in (alone, among))
    assert many.low < one.low
    assert many.observed == one.observed


@pytest.mark.parametrize(
    ("rule", "mean", "expected"),
    [
        ("unless_worse", 0.998, "ridge"),
        ("unless_worse", 0.8, "ridge__recent"),
        ("better", 0.998, "ridge__recent"),
    ],
)
def test_a_way_of_leaving_rows_aside_needs_proof_where_newer_is_presumed_better(
    rule, mean, expected
):
    losses = {
        "ridge": _loss(1.0),
        "ridge__recent": _loss(mean, seed=1),
        "champion": _loss(1.0, seed=2),
    }
    assert contender(_gates(promote_when=rule), _evaluation(losses)) == expected


@pytest.mark.parametrize(("mean", "promoted"), [(1.02, False), (0.98, True)])
def test_a_baseline_takes_a_champions_place_only_where_it_did_better(mean, promoted):
    # The candidate is not provably better than the baseline, so the baseline is weighed.
    losses = {"typical": _loss(mean), "ridge": _loss(mean, seed=1), "champion": _loss(1.0, seed=2)}
    decision = decide(_gates(promote_when="unless_worse"), _evaluation(losses), champion="champion")
    assert (decision.model, decision.promote) == ("typical", promoted)
    assert "a baseline may have no more" in decision.reason


def test_no_loss_at_all_is_no_division_by_zero():
    zero, some = np.zeros(400), np.where(np.arange(400) % 4 == 0, 1.0, 0.0)
    times = np.datetime64("2024-01-01", "us") + np.arange(400) * np.timedelta64(3600, "s")
    worse = PairedLosses("accuracy", some, zero, times, 0).worsening(level=0.05)
    assert worse.observed == worse.low == np.inf
    same = PairedLosses("accuracy", zero, zero, times, 0).worsening(level=0.05)
    assert same.observed == same.high == 0.0
    decision = decide(
        _gates(promote_when="not_worse"),
        _evaluation({"ridge": some, "champion": zero}),
        champion="champion",
    )
    assert not decision.promote
    json.dumps(decision.to_json(), allow_nan=False)


def test_the_root_is_compared_for_rmse():
    evaluation = _evaluation(
        {"ridge": np.full(400, 4.0), "champion": np.full(400, 9.0)}, metric="rmse"
    )
    row = decide(_gates(), evaluation, champion="champion").rows[1]
    assert (row.observed, row.low) == (1.0, 1.0)


def test_unknown_models_are_named():
    with pytest.raises(DataError, match="'ridge'"):
        decide(_gates(), _evaluation({"ridge": _loss(1.0)}), challenger="rigde")


def test_forty_retrainings_without_drift_promote_at_most_three_times():
    """A line is learned again each week from noise; nothing is ever truly better."""
    declared = problem(metrics=["rmse"], candidates=[RIDGE])
    generator = np.random.default_rng(5)

    def learned():
        x = generator.normal(size=(60, 4))
        return np.linalg.lstsq(x, x.sum(axis=1) + generator.normal(size=60), rcond=None)[0]

    counts = {"point": 0, "decide": 0}
    champions = dict.fromkeys(counts, learned())
    for _ in range(40):
        challenger, x = learned(), generator.normal(size=(600, 4))
        y = x.sum(axis=1) + generator.normal(size=600)
        for gate, champion in champions.items():
            theirs, ours = (y - x @ champion) ** 2, (y - x @ challenger) ** 2
            if gate == "point":
                promote = ours.mean() < theirs.mean()
            else:
                losses = {"ridge": ours, "champion": theirs}
                evaluation = _evaluation(losses, metric="rmse")
                promote = decide(declared, evaluation, champion="champion").promote
            counts[gate] += promote
            champions[gate] = challenger if promote else champion
    assert counts["decide"] <= 3
    assert counts["point"] >= 2 * counts["decide"]
