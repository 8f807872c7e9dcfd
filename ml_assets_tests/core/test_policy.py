from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml_assets.core.episodes import Episode
from ml_assets.core.loss_reading import LossReading, UsualLoss
from ml_assets.core.policy import decide_retraining
from ml_assets.core.problem import Gates, Retraining
from ml_assets.core.retraining_history import Training
from ml_assets.core.worth import expected_recovery

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


DAY = timedelta(days=1)


def reading(excess, *, rows=500, error=0.02, source="realised", since=EPISODE.opened):
    return LossReading(
        source=source,
        loss=1 + excess,
        usual=1.0,
        error=error,
        degrees=50,
        rows=rows,
        since=since,
    )


def decided(
    policy=None,
    *,
    episode=EPISODE,
    tick=None,
    champion="v3",
    trainings=(),
    now=NOW,
    readings=(),
    **more,
):
    return decide_retraining(
        policy or Retraining(),
        problem="plant",
        champion=champion,
        now=now,
        trainings=trainings,
        episode=episode,
        tick=tick,
        readings=readings,
        **more,
    )


def test_drift_of_the_model_retrains_once_and_says_why():
    decision = decided()
    assert decision.retrain
    assert decision.run_key == "retrain/plant/v3/2024-03-10T09"
    assert decision.episode == EPISODE.id
    assert decision.reason == "Drift since 2024-03-10 09:00 UTC in 'residual', seen in 3 windows."


REFUSALS = {
    "nothing": ({"episode": None}, "nothing has drifted"),
    "switched off": ({"policy": Retraining(triggers=())}, "triggers does not name drift"),
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
    "budget of a month": (
        {
            "policy": Retraining(max_per_month=2),
            "trainings": [Training(NOW - 9 * DAY), Training(NOW - 20 * DAY)],
        },
        "max_per_month allows 2",
    ),
    "too few rows to learn from": ({"learnable": 199}, "199 labelled rows are from after"),
    "not worth it": ({"readings": [reading(0.01)]}, "does not pay"),
    "nothing lost": ({"readings": [reading(-0.2)]}, "The loss is -20.0%"),
    "circuit": (
        {"trainings": [Training(NOW - n * DAY, "e", promoted=False) for n in (4, 3, 2)]},
        "3 retrainings in a row were not promoted: paused until 2024-03-15",
    ),
}


@pytest.mark.parametrize("name", list(REFUSALS))
def test_every_refusal_has_its_reason_and_starts_nothing(name):
    given, reason = REFUSALS[name]
    decision = decided(**given)
    assert not decision.retrain
    assert decision.run_key is None
    assert reason in decision.reason


FAULT = replace(
    EPISODE,
    severity="data_fault",
    opened=NOW - 20 * DAY,
    fault_since=NOW - 15 * DAY,
    fault_windows=100,
)


def test_a_fault_that_stays_the_same_is_learned_from_in_the_end():
    young = decided(episode=FAULT, now=NOW - 2 * DAY)
    assert not young.retrain
    assert "ml-assets accept plant" in young.reason
    assert "after 2024-03-09 12:00 UTC" in young.reason
    old = decided(episode=FAULT)
    assert old.retrain
    assert old.change == FAULT.fault_since
    assert "the same since 2024-02-24 12:00 UTC" in old.reason
    rarely_seen = replace(FAULT, fault_windows=2)
    assert not decided(episode=rarely_seen).retrain


def test_a_fault_that_a_person_accepted_is_learned_from_and_a_later_one_is_not():
    fresh = replace(FAULT, fault_since=NOW - DAY)
    assert not decided(episode=fresh).retrain
    assert decided(episode=fresh, accepted=NOW).retrain
    assert not decided(episode=fresh, accepted=NOW - 2 * DAY).retrain


def test_a_fault_that_went_is_not_the_same_by_waiting():
    gone = replace(FAULT, last_drift=NOW - 2 * DAY, quiet=3)
    assert not decided(episode=gone).retrain
    assert decided(episode=replace(gone, fault_since=NOW - 17 * DAY)).retrain


def test_an_accepted_fault_that_comes_back_is_still_accepted():
    back = replace(FAULT, fault_first=NOW - 15 * DAY, fault_since=NOW - DAY)
    assert decided(episode=back, accepted=NOW - 2 * DAY).retrain
    assert not decided(episode=back).retrain


def test_a_risen_loss_is_not_answered_while_the_data_are_to_be_repaired():
    policy, risen = Retraining(triggers=("realised",)), [reading(0.5)]
    assert not decided(
        policy, episode=replace(FAULT, fault_since=NOW - DAY), readings=risen
    ).retrain
    assert decided(policy, episode=FAULT, readings=risen).retrain


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


def test_a_loss_that_has_provably_risen_retrains_without_drift():
    heard = Retraining(triggers=("realised",))
    decision = decided(heard, episode=None, readings=[reading(0.3)])
    assert decision.retrain
    assert decision.run_key == "retrain/realised/v3"
    assert decision.change == EPISODE.opened
    assert not decided(heard, episode=None, readings=[reading(0.3, error=0.2)]).retrain
    assert not decided(episode=None, readings=[reading(0.3)]).retrain


def test_a_data_fault_silences_a_risen_loss():
    heard = Retraining(triggers=("realised",))
    fault = replace(EPISODE, severity="data_fault")
    decision = decided(heard, episode=fault, readings=[reading(0.3)])
    assert not decision.retrain


def test_labels_are_believed_before_an_estimate():
    estimate = reading(0.5, source="estimated", error=0.001)
    assert decided(readings=[estimate]).worth.excess == pytest.approx(0.5)
    both = decided(readings=[estimate, reading(-0.1, error=0.1)])
    assert not both.retrain
    assert both.worth.excess == pytest.approx(-0.1)


def test_what_a_retraining_is_worth_grows_with_the_time_the_loss_has_lasted():
    small = reading(0.04)
    assert not decided(readings=[small], now=NOW).retrain
    later = NOW + 9 * DAY
    lasting = replace(EPISODE, last_drift=later)
    assert decided(readings=[small], episode=lasting, now=later).retrain
    # Unless a regular retraining is due before it would have paid.
    tick = later + DAY
    assert not decided(readings=[small], episode=lasting, now=later, next_tick=tick).retrain


def test_dearer_training_and_riskier_gates_need_a_larger_loss():
    lost = [reading(0.3)]
    assert decided(readings=lost).retrain
    assert not decided(Retraining(cost=0.2), readings=lost).retrain
    assert not decided(readings=lost, gates=Gates(confidence=0.6, slice_margin=1.0)).retrain


def test_what_past_retrainings_took_away_is_expected_again():
    policy = Retraining(expected_recovery=0.5)
    failed = [Training(NOW - n * 9 * DAY, "e", True, recovery=0.0) for n in (1, 2, 3)]
    assert decided(policy, readings=[reading(0.3)], trainings=failed).worth.recovery == 0.2
    assert expected_recovery(policy, [-5.0] * 10) == 0.0


def test_the_circuit_closes_with_a_promotion_and_opens_longer_each_time():
    failed = [Training(NOW - n * DAY, "e", promoted=False) for n in (9, 8, 7, 6)]
    assert decided(trainings=failed).paused_until == NOW - 6 * DAY + 14 * DAY
    assert decided(trainings=[*failed, Training(NOW - 5 * DAY, "e", promoted=True)]).retrain
    regular = [Training(NOW - n * DAY, None, promoted=False) for n in (9, 8, 7, 6)]
    assert decided(trainings=regular).retrain


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_noise_is_seldom_taken_for_a_rise(correlation):
    generator = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "us") + np.arange(2000) * np.timedelta64(1, "h")
    risen = 0
    for _ in range(400):
        noise = generator.normal(0, 1, 2300)
        for at in range(1, len(noise)):
            noise[at] = correlation * noise[at - 1] + (1 - correlation**2) ** 0.5 * noise[at]
        losses = np.exp(noise)
        usual = UsualLoss.of(losses[:2000], times)
        now = LossReading.of(usual, losses[2000:], since=NOW)
        risen += now.has_risen(level=0.01)
    assert risen <= 0.03 * 400
