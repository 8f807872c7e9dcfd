"""The stages of an experiment and what follows from a look."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from pydantic import ValidationError

from ml_assets.core.experiment import Progress, Stage, next_move, plan_of, rule_of
from ml_assets.core.gain import PairedRows
from ml_assets.core.guard_rails import RailReading
from ml_assets.core.problem import Traffic
from ml_assets.core.sequential_test import Rule, judge
from ml_assets_tests.core.test_problem import declared

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CANARY = Traffic(promotion="canary", min_rows=100)
SHADOW_FIRST = Traffic(promotion="shadow_first", min_rows=100)
AB = Traffic(promotion="ab", min_rows=100)
LOSSES = np.random.default_rng(0).exponential(size=(2, 600))
TIMES = np.datetime64("2024-01-01", "us") + np.arange(600).astype("timedelta64[h]")


def evidence(gain, *, rows=600):
    pair = PairedRows(LOSSES[0, :rows], (1 - gain) * LOSSES[1, :rows], TIMES[:rows], HOUR)
    return judge(pair, Rule(alpha=0.05, alpha_roll_back=0.05, min_rows=100))


BETTER, WORSE, EQUAL, FEW = evidence(0.5), evidence(-0.5), evidence(0.0), evidence(0.0, rows=90)
BROKEN = RailReading(
    rail="errors", observed=0.2, bound=0.01, rows=50, e_value=1e6, alpha=0.01, broken=True
)
YOUNG = Progress(stage=0, in_stage=HOUR, in_all=HOUR)
HELD = Progress(stage=0, in_stage=DAY, in_all=DAY)
LAST = Progress(stage=2, in_stage=DAY, in_all=3 * DAY)
OVER = Progress(stage=2, in_stage=12 * DAY, in_all=14 * DAY)
BY_HAND = Progress(stage=None, in_stage=20 * DAY, in_all=20 * DAY)


def test_each_promotion_has_its_stages():
    assert plan_of(Traffic()) == ()
    assert [stage.share for stage in plan_of(CANARY)] == [0.05, 0.25, 0.5]
    assert plan_of(AB) == (Stage("ab", 0.5, DAY),)
    assert [stage.mode for stage in plan_of(SHADOW_FIRST)] == ["shadow"] + 3 * ["canary"]


@pytest.mark.parametrize(
    ("traffic", "progress", "found", "action"),
    [
        (CANARY, YOUNG, BETTER, "go_on"),
        (CANARY, HELD, EQUAL, "next_step"),
        (CANARY, HELD, FEW, "go_on"),
        (CANARY, HELD, WORSE, "roll_back"),
        (CANARY, YOUNG, WORSE, "roll_back"),
        (CANARY, LAST, EQUAL, "go_on"),
        (CANARY, LAST, BETTER, "promote"),
        (CANARY, OVER, EQUAL, "withdraw"),
        (CANARY, OVER, BETTER, "promote"),
        (CANARY, OVER, FEW, "withdraw"),
        (AB, HELD, EQUAL, "go_on"),
        (AB, HELD, BETTER, "promote"),
        (SHADOW_FIRST, HELD, EQUAL, "go_on"),
        (SHADOW_FIRST, HELD, BETTER, "next_step"),
        (SHADOW_FIRST, replace(LAST, stage=3, proven=True), EQUAL, "promote"),
        (SHADOW_FIRST, replace(LAST, stage=3), EQUAL, "go_on"),
        (CANARY, BY_HAND, BETTER, "go_on"),
        (CANARY, BY_HAND, WORSE, "roll_back"),
    ],
)
def test_what_follows(traffic, progress, found, action):
    move = next_move(traffic, progress, found, ())
    assert move.action == action
    assert move.reason


@pytest.mark.parametrize("progress", [YOUNG, HELD, LAST, OVER, BY_HAND])
def test_a_broken_guard_rail_ends_it_whatever_the_loss_says(progress):
    move = next_move(CANARY, progress, BETTER, (BROKEN,))
    assert move.action == "roll_back"
    assert "errors: 0.2 over 50 rows is above 0.01" in move.reason


def test_the_rule_is_that_of_the_gates():
    better = declared(serving={"traffic": {"promotion": "canary", "alpha": 0.06}})
    assert rule_of(better) == Rule(alpha=0.06, alpha_roll_back=0.02, allowed=0.0, min_rows=200)
    no_worse = declared(gates={"promote_when": "not_worse", "margin": 0.03})
    assert rule_of(no_worse).allowed == 0.03


@pytest.mark.parametrize(
    ("traffic", "words"),
    [
        ({"promotion": "ab", "steps": [{"share": 0.1, "hold": "P1D"}] * 2}, "one step"),
        (
            {"promotion": "canary", "steps": [{"share": s, "hold": "P1D"} for s in (0.5, 0.1)]},
            "must grow",
        ),
        ({"promotion": "canary", "max_duration": "P2D"}, "Lengthen that"),
        ({"promotion": "canary", "steps": [{"share": 1.0, "hold": "P1D"}]}, "less than 1"),
        ({"promotion": "blue_green"}, "'direct', 'canary', 'ab' or 'shadow_first'"),
        ({"guard_rails": {"max_error": 0.1}}, "Did you mean 'max_errors'"),
    ],
)
def test_wrong_traffic_is_refused_with_advice(traffic, words):
    with pytest.raises(ValidationError) as refused:
        declared(serving={"traffic": traffic})
    assert words in str(refused.value)
