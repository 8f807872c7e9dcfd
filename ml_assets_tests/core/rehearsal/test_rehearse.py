"""Policies on streams whose truth is known."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import yaml

from ml_assets.core.errors import DataError, DeclarationError
from ml_assets.core.rehearsal.comparison import compare_policies
from ml_assets.core.rehearsal.fits import EXACT, Fidelity, Fits
from ml_assets.core.rehearsal.policies import AS_DECLARED, compared_policies
from ml_assets.core.rehearsal.rehearse import rehearse
from ml_assets.core.training import Configuration, as_known_at
from ml_assets.core.window import Window, cut
from ml_assets.reports.rehearsal import verdict_of
from ml_assets_tests.core.rehearsal.streams import (
    BEGINS,
    DAY,
    corrected,
    past,
    problem,
    steps,
)

CHANGE = BEGINS + 8 * DAY


def rehearsed(declared, rows, *names, change=None, days=40, fidelity=EXACT):
    partitions = steps(days)
    return rehearse(
        declared,
        rows,
        compared_policies(declared, partitions, names=names),
        steps=partitions,
        seed=0,
        change=change,
        fidelity=fidelity,
    )


@pytest.fixture(scope="module")
def changed():
    return rehearsed(
        problem(),
        past(change=CHANGE),
        "never",
        "always",
        "on_drift",
        "on_audit",
        "on_estimated_loss",
        change=CHANGE,
    )


def test_on_drift_retrains_once_and_recovers_and_never_does_not(changed):
    adapted, stale = changed.course("on_drift"), changed.course("never")
    assert len(adapted.retrainings) == adapted.promotions == 1
    late = slice(-5 * 240, None)
    early = stale.losses[:240].mean()
    assert stale.losses[late].mean() > 2.5 * early
    assert adapted.losses[late].mean() < 1.1 * early
    assert stale.retrainings == ()


def test_an_audit_sees_a_change_of_meaning_and_an_estimate_does_not(changed):
    (first, *_) = changed.course("on_audit").retrainings
    assert first.at <= CHANGE + 3 * DAY
    reasons = [one.decision.reason for one in changed.course("on_audit").decisions]
    assert any("The audited loss since" in reason for reason in reasons)
    assert changed.course("on_estimated_loss").retrainings == ()


def test_rows_that_are_answered_worse_raise_the_estimated_loss():
    declared = problem(retraining={"triggers": ["estimated"], "cost": 0.0})
    course = rehearsed(declared, past(wider=CHANGE), "declared").course("declared")
    before = [one for one in course.decisions if one.at <= CHANGE]
    assert not any("The estimated loss" in one.decision.reason for one in before)
    after = [one for one in course.decisions if one.at == CHANGE + 2 * DAY]
    assert "The estimated loss since" in after[0].decision.reason


def test_the_figures_say_what_happened(changed):
    compared = compare_policies(changed)
    assert compared.oracle == "told"
    assert compared.picked in {"on_drift", "on_audit"}
    on_drift = compared.figure("on_drift")
    assert on_drift.detection.alarms >= 1
    assert on_drift.detection.false_alarms == 0
    assert 1 <= on_drift.detection.delay_windows <= 2
    assert not on_drift.detection.missed
    assert compared.figure("always").detection is None
    assert compared.figure("always").retrainings == 20
    assert compared.figure("never").regret.low > on_drift.regret.high
    assert compared.oracle_loss <= min(one.loss.value for one in compared.figures)


def test_every_partition_has_a_decision_with_its_reason(changed):
    for course in changed.courses:
        assert len(course.decisions) == 20
        assert all(one.decision.reason for one in course.decisions)
        retrained = [one.at for one in course.decisions if one.decision.retrain]
        assert retrained == [one.at for one in course.retrainings]


def test_a_challenger_after_a_change_is_judged_on_rows_from_after_it(changed):
    (retraining,) = changed.course("on_drift").retrainings
    assert retraining.at <= CHANGE + 2 * DAY
    names = [row.gate for row in retraining.gates.rows]
    assert "not provably worse than typical" in names


@pytest.mark.parametrize("seed", range(3))
def test_a_quiet_stream_retrains_nothing(seed):
    course = rehearsed(problem(), past(seed=seed), "on_drift").course("on_drift")
    assert course.retrainings == ()
    assert course.episodes == ()


def test_a_data_fault_is_no_reason_to_learn():
    rows = past(fault=CHANGE)
    policies = {"retraining": {"triggers": ["drift", "realised"]}}
    course = rehearsed(problem(**policies), rows, "declared").course("declared")
    assert course.retrainings == ()
    assert any("data is at fault" in one.decision.reason for one in course.decisions)


def test_retrainings_that_come_to_nothing_open_the_circuit():
    # Nothing can pass: the law changes and the bound asks for more than there is.
    declared = problem(
        gates={"at_most": {"mae": 0.01}},
        retraining={"cooldown": "P1D", "give_up_after": 2, "pause": "P3D"},
    )
    course = rehearsed(declared, past(change=CHANGE), "on_drift").course("on_drift")
    assert course.promotions == 0
    times = [one.at for one in course.retrainings]
    waited = np.diff(np.array(times)).tolist()
    assert waited[:3] == [DAY, 3 * DAY, 6 * DAY]
    paused = [one for one in course.decisions if one.decision.paused_until]
    assert "2 retrainings in a row were not promoted" in paused[0].decision.reason


def test_the_budget_of_a_month_is_kept():
    declared = problem(
        gates={"at_most": {"mae": 0.01}}, retraining={"give_up_after": 99, "max_per_month": 3}
    )
    course = rehearsed(declared, past(change=CHANGE), "on_drift").course("on_drift")
    assert len(course.retrainings) == 3
    assert "max_per_month allows 3" in course.decisions[-1].decision.reason


def test_the_future_is_not_known():
    rows = past(change=CHANGE)
    whole = rehearsed(problem(), rows, "on_drift", days=40).course("on_drift")
    short = rehearsed(problem(), rows, "on_drift", days=31).course("on_drift")
    assert [one.decision for one in short.decisions] == [
        one.decision for one in whole.decisions[: len(short.decisions)]
    ]
    assert short.losses.tolist() == whole.losses[: len(short.losses)].tolist()


def test_a_correction_is_not_known_before_it_is_made():
    rows, declared = past(days=28), problem(retraining={"triggers": ["realised"], "cost": 0.0})
    wrong = Window(BEGINS + 2 * DAY, BEGINS + 4 * DAY)
    mended = corrected(rows, wrong, by=8, at=BEGINS + 7 * DAY)
    right, late = (
        rehearsed(declared, one, "declared", days=28).course("declared").decisions
        for one in (rows, mended)
    )
    assert late[:6] == right[:6]
    assert not any(one.decision.retrain for one in right)


@pytest.mark.slow
def test_what_comes_out_does_not_hang_on_the_number_of_processes():
    declared, rows, partitions = problem(), past(change=CHANGE), steps()
    policies = compared_policies(declared, partitions, names=["always", "never"])
    one, two = (
        rehearse(declared, rows, policies, steps=partitions, seed=0, jobs=jobs) for jobs in (1, 2)
    )
    for first, second in zip(one.courses, two.courses, strict=True):
        assert first.losses.tolist() == second.losses.tolist()
        assert [r.at for r in first.retrainings] == [r.at for r in second.retrainings]


def test_unknown_policies_and_empty_partitions_are_refused():
    declared, rows = problem(), past()
    with pytest.raises(DeclarationError, match="Did you mean 'on_drift'"):
        compared_policies(declared, steps(), names=["on_drif"])
    later = steps(80)[-3:]
    with pytest.raises(DataError, match="no row in the partitions"):
        rehearse(declared, rows, compared_policies(declared, later), steps=later, seed=0)


def test_lighter_models_have_fewer_trees_that_learn_more():
    boosted = Configuration(
        name="b",
        kind="candidate",
        estimator="sklearn.ensemble.HistGradientBoostingRegressor",
        params={"max_iter": 300, "learning_rate": 0.04},
    )
    light = Fidelity(trees=100).lightened(boosted)
    assert light.params == {"max_iter": 100, "learning_rate": pytest.approx(0.12)}
    assert EXACT.lightened(boosted) == boosted
    forest = Configuration(
        name="f", kind="candidate", estimator="sklearn.ensemble.RandomForestRegressor"
    )
    assert Fidelity(trees=50).lightened(forest).params == {"n_estimators": 50}
    assert Fidelity(bins=64).lightened(boosted).params["max_bins"] == 64
    ridge = Configuration(name="r", kind="candidate", estimator="sklearn.linear_model.Ridge")
    assert Fidelity(trees=10).lightened(ridge) == ridge


def test_thinned_rows_are_spread_evenly_and_hold_the_newest():
    rows = past(days=5).known_by(BEGINS)
    thinned = Fidelity(rows=100).thinned(rows)  # of 1,200
    assert len(thinned.frame) == 100
    assert thinned.frame["event_time"].iloc[-1] == rows.frame["event_time"].iloc[-1]
    gaps = thinned.frame["event_time"].diff().dropna().unique()
    assert gaps.tolist() == [timedelta(minutes=72)]


def test_a_binned_model_learns_from_no_more_values_than_it_has_bins():
    rows = past(days=5).known_by(BEGINS)
    wave = rows.frame[rows.numeric[0]].to_numpy().copy()
    rare = np.where(np.arange(len(wave)) == 7, 1.0, 0.0)
    wave[3] = np.nan
    rows = replace(
        rows,
        frame=rows.frame.assign(**{rows.numeric[0]: wave, "rare": rare}),
        numeric=(rows.numeric[0], "rare"),
    )
    boosted = Configuration(
        name="b", kind="candidate", estimator="sklearn.ensemble.HistGradientBoostingRegressor"
    )
    found = Fidelity(bins=16).coarsened(boosted, rows).frame
    coarse = found[rows.numeric[0]].to_numpy()
    assert len(np.unique(coarse[~np.isnan(coarse)])) == 16
    assert np.array_equal(np.isnan(coarse), np.isnan(wave))
    order = np.argsort(wave)
    assert (np.diff(coarse[order][:-1]) >= 0).all()
    assert found["rare"].tolist() == rare.tolist()
    forest = Configuration(
        name="f", kind="candidate", estimator="sklearn.ensemble.RandomForestRegressor"
    )
    assert Fidelity(bins=16).coarsened(forest, rows) is rows
    assert EXACT.coarsened(boosted, rows) is rows


def test_what_was_learned_for_a_fold_is_not_learned_again_at_a_cutoff():
    shelf = {}
    fits = Fits(shelf, fidelity=EXACT, clock=float)
    rows = past()
    known = rows.known_by(BEGINS)
    boosted = Configuration(
        name="b",
        kind="candidate",
        estimator="sklearn.linear_model.Ridge",
        window=timedelta(days=5),
    )
    model = fits(boosted, known, seed=0)
    later = rows.known_by(BEGINS + DAY)
    before = np.flatnonzero((later.frame["label_known_at"] <= BEGINS).to_numpy())
    assert fits(boosted, as_known_at(later, before, BEGINS), seed=0) is model
    assert fits(replace(boosted, name="c"), known, seed=0) is model
    assert fits(boosted, known, seed=1) is not model
    assert fits(boosted, later, seed=0) is not model


def test_labels_that_were_corrected_make_another_model():
    rows = past()
    known = rows.known_by(BEGINS)
    fits = Fits({}, fidelity=EXACT, clock=float)
    ridge = Configuration(name="r", kind="candidate", estimator="sklearn.linear_model.Ridge")
    model = fits(ridge, known, seed=0)
    corrected = replace(known, frame=known.frame.assign(y=known.frame["y"] + 1))
    assert fits(ridge, corrected, seed=0) is not model


@pytest.mark.parametrize("name", list(AS_DECLARED))
def test_what_is_said_of_a_picked_policy_declares_it(name):
    said = yaml.safe_load("{" + AS_DECLARED[name] + "}")
    (picked,) = compared_policies(problem(), steps(), names=[name])
    declared = problem(retraining=said).retraining
    assert declared.triggers == picked.retraining.triggers
    assert (declared.cron is not None) == bool(picked.ticks)


def beside_on_drift(changed, losses, *, retrainings=1):
    """The comparison of on_drift with a schedule of such losses."""
    on_drift = changed.course("on_drift")
    schedule = replace(
        on_drift,
        policy="scheduled",
        losses=losses,
        retrainings=on_drift.retrainings[:1] * retrainings,
    )
    return compare_policies(replace(changed, courses=(on_drift, schedule)))


def test_a_past_that_cannot_tell_leaves_it_to_the_schedule(changed):
    losses = changed.course("on_drift").losses
    noise = np.random.default_rng(0).normal(scale=losses.std(), size=len(losses))
    close = losses + noise - noise.mean() + 0.001 * losses.mean()
    compared = beside_on_drift(changed, close)
    assert (compared.least, compared.picked) == ("on_drift", "scheduled")
    behind = compared.figure("scheduled").behind
    assert behind.low < 0 < behind.value
    assert "this past cannot tell the two apart" in verdict_of(compared)


def test_a_schedule_that_loses_more_or_costs_more_is_not_picked(changed):
    losses = changed.course("on_drift").losses
    assert beside_on_drift(changed, 1.2 * losses).picked == "on_drift"
    dear = beside_on_drift(changed, losses, retrainings=30)
    assert dear.picked == "on_drift"
    assert dear.figure("scheduled").behind.low > 0


def test_always_is_each_partition_and_never_more_than_once_a_day():
    hours = list(cut(Window(BEGINS, BEGINS + 2 * DAY), "hour"))
    (hourly,) = compared_policies(problem(), hours, names=["always"])
    (daily,) = compared_policies(problem(), steps(), names=["always"])
    assert len(hourly.ticks) == 2
    assert daily.ticks == tuple(step.end for step in steps())


def test_nobody_can_declare_that_no_gate_is_asked(changed):
    compared = compare_policies(changed)
    assert compared.picked != "always"
