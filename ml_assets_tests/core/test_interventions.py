"""Corrections begin where they are shown to help, stay within bounds, and end by themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pytest

from ml_assets.core.adjustment import Adjustment
from ml_assets.core.change_evidence import MOST, evidence
from ml_assets.core.conformal import calibrate_numbers
from ml_assets.core.correction_evidence import LabelledRows
from ml_assets.core.corrections import (
    Bounds,
    CorrectBias,
    FallBack,
    Recalibrate,
    Reweigh,
    Widen,
    correction_from_json,
    correction_to_json,
)
from ml_assets.core.errors import ServingError
from ml_assets.core.evidence_blocks import resembling
from ml_assets.core.intervention import Intervention
from ml_assets.core.intervention_decision import InterventionRule, decide_intervention
from ml_assets.core.learned_corrections import learned_bias, learned_calibration, learned_weights

NOW = datetime(2024, 3, 1, tzinfo=UTC)
BOUNDS = Bounds(shift=2.0, slope=2.0, leaning=10.0, widening=3.0)
RULE = InterventionRule(
    kinds=("correct_bias", "recalibrate", "widen", "fall_back"),
    bounds=BOUNDS,
    lasts=timedelta(days=7),
    false_alarm_looks=1000,
    window=timedelta(hours=1),
    loss="absolute",
    adaptive=True,
    renews=False,
)
HOUR = timedelta(hours=1)


def stream(seed, rows=3000, *, change=1500, shift=0.0, slope=1.0, spread=1.0, per_hour=50):
    """Rows whose labels come two hours late; from ``change`` on the world is another."""
    rng = np.random.default_rng(seed)
    said = 3 * rng.normal(size=rows)
    late = np.arange(rows) >= change
    truth = np.where(late, slope, 1.0) * said + np.where(late, shift, 0.0)
    truth += rng.normal(size=rows) * np.where(late, spread, 1.0)
    micros = (np.arange(rows) * 3.6e9 / per_hour).astype("timedelta64[us]")
    times = np.datetime64("2024-01-01", "us") + micros
    return LabelledRows(times, times + np.timedelta64(2, "h"), truth, said, np.zeros(rows))


def intervals():
    rows = stream(99)
    return calibrate_numbers(rows.truth, rows.said, coverage=0.9)


def decided(rows, *, rule=RULE, current=None, now=NOW, paused=None):
    return decide_intervention(
        rows, rule, intervals=intervals(), current=current, now=now, paused=paused
    )


def begun(correction, *, since=datetime(2024, 1, 1, tzinfo=UTC)):
    return Intervention("one", correction, NOW, NOW + RULE.lasts, since, "because")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_done_while_nothing_changes(seed):
    found = decided(stream(seed))
    assert (found.outcome, found.intervention) == ("none", None)
    assert "Nothing is shown to help" in found.reason


def test_evidence_of_a_long_life_stays_a_number_and_is_forgotten():
    looks = np.arange(6000)
    helped = np.where(looks < 5000, 1.0, -0.5)
    assert evidence(helped[:5000], looks[:5000]) == MOST
    assert evidence(helped, looks) < 1000


def test_a_bias_is_corrected_by_about_as_much():
    found = decided(stream(1, rows=2100, shift=1.5), rule=replace(RULE, kinds=("correct_bias",)))
    assert found.outcome == "begin"
    assert found.intervention.correction.shift == pytest.approx(1.5, abs=0.25)
    assert found.intervention.ends == NOW + RULE.lasts


def test_a_stretch_is_recalibrated_rather_than_shifted():
    found = decided(stream(1, slope=1.6))
    assert isinstance(found.intervention.correction, Recalibrate)
    assert found.intervention.correction.slope == pytest.approx(1.6, abs=0.15)


def test_a_model_that_is_worse_than_its_baseline_is_replaced_by_it():
    found = decided(stream(1, slope=-1.0), rule=replace(RULE, kinds=("correct_bias", "fall_back")))
    assert isinstance(found.intervention.correction, FallBack)


def test_intervals_that_do_not_follow_are_widened_within_the_bound():
    rule = replace(RULE, kinds=("widen",), adaptive=False)
    found = decided(stream(1, spread=2.0), rule=rule)
    assert found.intervention.correction.factor == pytest.approx(2.0, rel=0.2)
    wild = decided(stream(1, spread=10.0), rule=rule)
    assert wild.intervention.correction.factor == BOUNDS.widening


def test_a_correction_takes_the_place_of_a_widening():
    rows = stream(1, shift=1.5)
    found = decided(rows, current=begun(Widen(1.5)))
    assert found.outcome == "begin"
    assert found.intervention.correction.kind in {"correct_bias", "recalibrate"}


def test_no_shift_is_larger_than_declared():
    found = decided(stream(1, shift=9.0), rule=replace(RULE, kinds=("correct_bias",)))
    assert found.intervention.correction.shift == BOUNDS.shift


def test_too_few_truths_are_insufficient_data():
    assert "Insufficient data" in decided(stream(1, rows=60)).reason


def test_truths_that_are_not_known_yet_teach_nothing():
    rows = stream(1, rows=2100, shift=1.5)
    never = np.where(np.arange(2100) >= 1500, rows.times[-1], rows.known_at)
    late = LabelledRows(rows.times, never, rows.truth, rows.said, rows.fallback)
    rule = replace(RULE, kinds=("correct_bias",))
    assert decided(late, rule=rule).outcome == "none"


def test_an_intervention_that_helps_goes_on_and_follows_the_world():
    rows = stream(1, shift=1.5)
    kept = decided(rows, current=begun(CorrectBias(1.5)))
    assert (kept.outcome, kept.intervention.id) == ("keep", "one")
    changed = decided(rows, current=begun(CorrectBias(0.2)))
    assert changed.outcome == "change"
    assert changed.intervention.correction.shift == pytest.approx(1.5, abs=0.25)
    assert changed.intervention.ends == begun(CorrectBias(0.2)).ends


def test_an_intervention_ends_when_its_time_is_over():
    found = decided(stream(1, shift=1.5), current=begun(CorrectBias(1.5)), now=NOW + RULE.lasts)
    assert (found.outcome, found.intervention) == ("end", None)


def test_an_intervention_that_may_is_renewed_while_it_is_shown_to_help():
    rule, current, over = replace(RULE, renews=True), begun(CorrectBias(1.5)), NOW + RULE.lasts
    again = decided(stream(1, shift=1.5), rule=rule, current=current, now=over)
    assert again.outcome == "begin"
    assert again.intervention.id != current.id
    assert again.intervention.ends == over + RULE.lasts
    assert "has lasted until" in again.reason
    assert decided(stream(1), rule=rule, current=current, now=over).outcome == "end"


def test_an_intervention_ends_when_its_effect_is_gone():
    rows = stream(1, change=0, shift=1.5)
    back = stream(1, shift=0.0)
    truth = np.where(np.arange(len(rows)) < 1500, rows.truth, back.truth)
    calm = LabelledRows(rows.times, rows.known_at, truth, rows.said, rows.fallback)
    found = decided(calm, current=begun(CorrectBias(1.5)))
    assert found.outcome == "end"
    assert "effect" in found.reason


def test_a_person_who_ended_one_is_not_overruled():
    found = decided(stream(1, shift=1.5), paused="Ended by hand.")
    assert (found.outcome, found.reason) == ("none", "Ended by hand.")


def test_every_decision_has_its_figures():
    details = decided(stream(1, shift=1.5)).details
    assert set(details) == set(RULE.kinds)
    assert details["correct_bias"]["evidence"] > details["fall_back"]["evidence"]


def test_neighbours_that_resemble_each_other_make_longer_blocks():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=3000)
    smooth = np.zeros(3000)
    for n in range(1, 3000):
        smooth[n] = 0.9 * smooth[n - 1] + noise[n]
    assert resembling(noise) <= 3
    assert resembling(smooth) >= 20
    assert resembling(noise + np.where(np.arange(3000) > 1500, 9.0, 0.0)) <= 3


def test_odds_are_learned_where_they_changed():
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(3), 4000)
    tilted = chances * np.array([1.0, 1.0, 4.0])
    tilted /= tilted.sum(axis=1, keepdims=True)
    codes = np.array([rng.choice(3, p=row) for row in tilted])
    found = learned_weights(codes, chances, BOUNDS)
    assert found.leanings[2] - found.leanings[0] == pytest.approx(log(4), abs=0.2)
    moved = found.chances(chances)
    np.testing.assert_allclose(moved.sum(axis=1), 1.0)
    rows = np.arange(4000)
    assert -np.log(moved[rows, codes]).mean() < -np.log(chances[rows, codes]).mean()


def test_few_truths_move_little():
    few = learned_bias(np.full(5, 1.0), np.zeros(5), BOUNDS)
    many = learned_bias(np.full(500, 1.0), np.zeros(500), BOUNDS)
    assert few.shift < 0.4
    assert many.shift > 0.9
    flat = learned_calibration(np.full(50, 1.0), np.zeros(50), BOUNDS)
    assert flat.slope == 1.0


@pytest.mark.parametrize(
    "correction",
    [
        CorrectBias(2.5),
        CorrectBias(float("nan")),
        Recalibrate(3.0, 0.0, 0.0, 1.0),
        Recalibrate(1.0, 0.0, 0.0, 9.0),
        Recalibrate(1.0, float("inf"), 0.0, 1.0),
        Reweigh(1.0, (3.0, 0.0)),
        Reweigh(0.1, (0.0, 0.0)),
        Widen(4.0),
        Widen(0.5),
        Widen(float("nan")),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(correction):
    with pytest.raises(ServingError, match="is refused"):
        begun(correction).check(BOUNDS)


@pytest.mark.parametrize(
    "correction",
    [
        CorrectBias(1.0),
        Recalibrate(1.1, 2.0, 0.3, 1.0),
        Reweigh(1.2, (0.1, -0.1)),
        Widen(2.0),
        FallBack(),
    ],
)
def test_an_adjustment_survives_its_file(correction):
    begun(correction).check(BOUNDS)
    assert correction_from_json(correction_to_json(correction)) == correction
    made = Adjustment(
        "plant",
        "v1",
        "abc",
        3,
        NOW,
        (-1.0, 1.0),
        begun(correction),
        corrected_quantiles=(-2.0, 2.0),
    )
    assert Adjustment.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [('"sequence": 3', '"sequence": 4'), ('"shift": 1.0', '"shift": 1.5'), ("{", "["), ("}", "")],
)
def test_a_changed_adjustment_is_refused(old, new):
    text = Adjustment("plant", "v1", "abc", 3, NOW, None, begun(CorrectBias(1.0))).to_json()
    assert old in text
    with pytest.raises(ServingError):
        Adjustment.from_json(text.replace(old, new))


def test_a_bounded_stretch_changes_no_prediction_by_more():
    moved = Recalibrate(2.0, 0.0, 0.0, 1.0).numbers(np.array([-100.0, 0.5, 100.0]))
    np.testing.assert_allclose(moved, [-101.0, 1.0, 101.0])
