from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.core.episodes import Episode
from ml_assets.core.policy import Training, decide_retraining
from ml_assets.core.problem import Retraining

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPISODE = Episode(
    id="plant/v3/2024-03-10T09",
    problem="plant",
    version="v3",
    opened=NOW - 3 * HOUR,
    last_drift=NOW - HOUR,
    severity="retrain",
    columns=("residual",),
    windows=3,
)


def decided(policy=None, *, episode=EPISODE, tick=None, champion="v3", trainings=(), now=NOW):
    return decide_retraining(
        policy or Retraining(),
        problem="plant",
        champion=champion,
        now=now,
        trainings=trainings,
        episode=episode,
        tick=tick,
    )


def test_drift_of_the_model_retrains_once_and_says_why():
    decision = decided()
    assert decision.retrain
    assert decision.run_key == "retrain/plant/v3/2024-03-10T09"
    assert decision.episode == EPISODE.id
    assert decision.reason == "Drift since 2024-03-10 09:00 UTC in 'residual', seen in 3 windows."


REFUSALS = {
    "nothing": ({"episode": None}, "nothing has drifted"),
    "switched off": ({"policy": Retraining(on_drift=False)}, "on_drift is off"),
    "another version": ({"champion": "v4"}, "seen by version v3; v4 answers now"),
    "over": ({"episode": replace(EPISODE, closed=NOW - HOUR)}, "ended at 2024-03-10 11:00"),
    "data fault": ({"episode": replace(EPISODE, severity="data_fault")}, "data is at fault"),
    "warning": ({"episode": replace(EPISODE, severity="warn")}, "Only features moved"),
    "cool-down": ({"trainings": [Training(NOW - 20 * HOUR)]}, "ends at 2024-03-10 16:00"),
    "budget": (
        {
            "policy": Retraining(cooldown="PT0S", max_per_day=1),
            "trainings": [Training(NOW - HOUR, "plant/v3/earlier")],
        },
        "max_per_day allows 1",
    ),
}


@pytest.mark.parametrize("name", list(REFUSALS))
def test_every_refusal_has_its_reason_and_starts_nothing(name):
    given, reason = REFUSALS[name]
    decision = decided(**given)
    assert not decision.retrain
    assert decision.run_key is None
    assert reason in decision.reason


def test_drift_is_answered_once_the_cool_down_is_over():
    trainings = [Training(NOW - 24 * HOUR)]
    assert decided(trainings=trainings).retrain
    assert not decided(trainings=trainings, now=NOW - HOUR).retrain


def test_a_regular_tick_needs_no_drift_and_no_cool_down():
    decision = decided(episode=None, tick=NOW, trainings=[Training(NOW - HOUR)])
    assert decision.retrain
    assert decision.run_key == "retrain/plant/regular/2024-03-10T12:00"
    assert decision.episode is None


def test_a_regular_tick_keeps_the_budget():
    trainings = [Training(NOW - HOUR), Training(NOW - 2 * HOUR)]
    decision = decided(episode=None, tick=NOW, trainings=trainings)
    assert not decision.retrain
    assert "max_per_day" in decision.reason


def test_a_replay_does_not_know_later_trainings():
    assert decided(trainings=[Training(NOW + HOUR, EPISODE.id)]).retrain


def test_an_episode_that_outlives_the_cool_down_is_answered_again():
    decision = decided(trainings=[Training(NOW - 48 * HOUR, EPISODE.id)])
    assert decision.retrain
    assert decision.run_key == f"retrain/{EPISODE.id}/2"
