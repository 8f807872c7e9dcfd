"""What is said of courses whose losses and alarms are known."""

from datetime import timedelta

import numpy as np
import pytest

from ml_assets.core.episodes import VerdictRow, episodes_of
from ml_assets.core.rehearsal.comparison import LEAST_SHARE, compare_policies
from ml_assets.core.rehearsal.fits import EXACT
from ml_assets.core.rehearsal.live import Course, Retrained
from ml_assets.core.rehearsal.rehearse import Rehearsal
from ml_assets_tests.core.rehearsal.streams import BEGINS, DAY, problem, steps

DECLARED = problem(
    task="binary",
    metrics=["accuracy"],
    candidates=[{"name": "l", "estimator": "sklearn.linear_model.LogisticRegression"}],
    monitoring={"window": "PT1H"},
    retraining={"cost": 0.05},
)
STEPS = tuple(steps(30))
ROWS = len(STEPS) * 48
TIMES = np.datetime64(BEGINS.replace(tzinfo=None), "us") + np.arange(ROWS) * np.timedelta64(30, "m")
MISSES = (np.random.default_rng(0).random(ROWS) < 0.5).astype(float)
NONE = np.zeros(ROWS)


def course(policy, losses, *, retrainings=0, states=()):
    rows = [
        VerdictRow(
            BEGINS + place * timedelta(hours=1), state, "retrain" if state == "drift" else None
        )
        for place, state in enumerate(states)
    ]
    return Course(
        policy=policy,
        losses=losses,
        decisions=(),
        retrainings=(Retrained(BEGINS + DAY, None, "v", None, True, 1.0),) * retrainings,
        episodes=tuple(episodes_of(rows, problem="pump", version="v")),
        windows=len(rows),
        drifted=tuple(row.window_start for row in rows if row.state == "drift"),
    )


def compared(*courses, change=None, oracle=None):
    told = None if oracle is None else course("oracle", oracle)
    return compare_policies(Rehearsal(DECLARED, STEPS, TIMES, courses, told, "v", change, EXACT, 0))


def figures_of(found):
    for one in found.figures:
        yield from (one.total, one.loss, one.regret, one.behind)


def is_finite(figure):
    return np.isfinite(
        figure if isinstance(figure, float) else [figure.low, figure.value, figure.high]
    ).all()


@pytest.mark.parametrize(
    "oracle", [None, NONE, np.eye(1, ROWS, 7)[0]], ids=["hindsight", "told", "once"]
)
def test_an_oracle_that_misses_nothing_leaves_figures_finite(oracle):
    found = compared(course("never", MISSES), course("on_drift", NONE), oracle=oracle)
    assert all(map(is_finite, figures_of(found)))
    assert found.picked == found.least == "on_drift"
    unit = LEAST_SHARE * MISSES.mean() / 2
    least = 0.0 if oracle is None else oracle.mean()
    assert found.figure("never").regret.value == pytest.approx((MISSES.mean() - least) / unit)


def test_policies_that_miss_nothing_are_told_apart_by_their_cost():
    found = compared(course("on_drift", NONE, retrainings=2), course("never", NONE))
    assert [one.regret.value for one in found.figures] == [0.0, 0.0]
    assert [one.total for one in found.figures] == [pytest.approx(0.01), 0.0]
    assert found.picked == "never"
    tied = compared(course("on_drift", NONE), course("scheduled", NONE))
    assert tied.picked == "scheduled"


def test_an_alarm_that_was_false_hides_no_change():
    # It is open still when the world changes, so no episode opens after that.
    states = ["quiet"] * 16 + ["drift"] * 2 + ["quiet"] * 2 + ["drift"] * 20
    hour = timedelta(hours=1)
    told = course("on_drift", MISSES, states=states)
    assert len(told.episodes) == 1
    late = compared(told, change=BEGINS + 20 * hour).figure("on_drift").detection
    assert (late.false_alarms, late.delay_windows, late.missed) == (1, 1, False)
    never = compared(told, change=BEGINS + 40 * hour).figure("on_drift").detection
    assert (never.false_alarms, never.delay_windows, never.missed) == (1, None, True)
