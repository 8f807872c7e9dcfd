"""Estimates without labels against truths that are known."""

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.estimation.calibrated import (
    Calibration,
    expected_accuracy,
    expected_f1,
    expected_roc_auc,
)
from ml_assets.core.estimation.loss_estimator import (
    FEWEST_ROWS,
    AnsweredRows,
    LossEstimator,
    fit_loss_estimator,
)
from ml_assets.core.estimation.reliability import compared, tried_forward


@pytest.fixture(scope="module")
def calibration():
    """The model says the square of the true chance: it is overcautious, and orders rows rightly."""
    generator = np.random.default_rng(0)
    chances = generator.random(20_000)
    return Calibration.fit(chances**2, (generator.random(20_000) < chances).astype(float))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.5, 1.0), (0.1, 0.4)])
def test_expected_metrics_are_those_of_the_true_chances(calibration, low, high):
    chances = np.linspace(low, high, 4001)
    scores = chances**2
    answered = scores > 0.5
    found = calibration(scores)
    assert expected_accuracy(found, answered) == pytest.approx(
        expected_accuracy(chances, answered), abs=0.012
    )
    assert expected_f1(found, answered) == pytest.approx(expected_f1(chances, answered), abs=0.02)
    assert expected_roc_auc(found, scores) == pytest.approx(
        expected_roc_auc(chances, scores), abs=0.02
    )


def test_the_expected_area_of_uniform_chances_is_five_sixths():
    chances = np.linspace(0, 1, 2001)
    assert expected_roc_auc(chances, chances) == pytest.approx(5 / 6, abs=0.001)
    assert expected_roc_auc(chances, np.zeros(2001)) == pytest.approx(0.5)


def noisy(generator, count, *, shift=0.0, twist=0.0):
    """Rows whose miss has the size 0.2 + x²: its mean is √(2/π) times that."""
    x = generator.normal(shift, 1, count)
    frame = pd.DataFrame({"x": x, "rig": np.where(x > 0, "a", None)})
    size = 0.2 + (x**2) * (1 + twist)
    return frame, np.abs(generator.normal(0, size)), np.sqrt(2 / np.pi) * size


def direct_estimator(rows=6000):
    frame, losses, _ = noisy(np.random.default_rng(1), rows)
    return fit_loss_estimator(
        AnsweredRows(frame, np.zeros(rows)),
        losses,
        metric="mae",
        numeric=("x",),
        categorical=("rig",),
        seed=0,
    )


def test_a_direct_estimate_follows_rows_and_is_blind_to_their_meaning():
    estimator = direct_estimator()
    assert estimator is not None
    assert estimator.kind == "direct"
    generator = np.random.default_rng(2)
    for shift in (0.0, 0.7):
        frame, _, truth = noisy(generator, 4000, shift=shift)
        found = estimator.losses(AnsweredRows(frame, np.zeros(4000)))
        assert found.mean() == pytest.approx(truth.mean(), rel=0.1)
    frame, _, truth = noisy(generator, 4000, twist=1.0)
    found = estimator.losses(AnsweredRows(frame, np.zeros(4000)))
    margin = estimator.reliability.margin(4000, confidence=0.95)
    assert found.mean() + margin < truth.mean()


def test_an_estimate_says_how_far_it_was_from_rows_it_had_not_seen():
    estimator = direct_estimator()
    tried = estimator.reliability
    assert tried.rows == 4500
    assert 0.8 < tried.slope <= 1.0
    assert tried.gap_variance < tried.loss_variance
    assert tried.design_effect < 2.0
    missed = 0
    for seed in range(60):
        frame, losses, _ = noisy(np.random.default_rng(100 + seed), 400)
        found = estimator.losses(AnsweredRows(frame, np.zeros(400)))
        missed += abs(found.mean() - losses.mean()) > tried.margin(400, confidence=0.95)
    assert missed <= 8


def test_each_part_is_estimated_from_earlier_rows_only():
    seen = []

    def estimate(old, new):
        seen.append((old.min(), old.max(), new.min(), new.max()))
        return np.zeros(len(new))

    tried_forward(np.arange(100, dtype=float), estimate)
    assert seen == [(0, 24, 25, 49), (0, 49, 50, 74), (0, 74, 75, 99)]


def test_dependence_in_time_widens_the_margin():
    generator = np.random.default_rng(3)
    noise = generator.normal(size=4000)
    level = np.repeat(generator.normal(size=40), 100)
    alone = compared(noise + 5, np.full(4000, 5.0))
    together = compared(noise + level + 5, np.full(4000, 5.0))
    assert alone.design_effect < 2
    assert together.design_effect > 20
    assert together.margin(500, confidence=0.95) > 4 * alone.margin(500, confidence=0.95)


def test_probabilities_are_calibrated_where_the_loss_is_a_miss():
    generator = np.random.default_rng(4)
    sure = generator.uniform(0.5, 1, 4000)
    misses = (generator.random(4000) > 0.5 * sure + 0.25).astype(float)  # overconfident
    frame = pd.DataFrame({"x": sure})
    rows = AnsweredRows(frame, np.where(sure > 0.7, "yes", "no"), sure)
    estimator = fit_loss_estimator(
        rows, misses, metric="accuracy", numeric=("x",), categorical=(), seed=0
    )
    assert estimator is not None
    assert estimator.kind == "calibrated"
    surest = rows.rows(np.flatnonzero(sure > 0.9))
    assert estimator.losses(surest).mean() == pytest.approx(0.275, abs=0.03)
    again = LossEstimator.from_json(estimator.to_json())
    assert np.array_equal(again.losses(rows), estimator.losses(rows))


def test_too_few_rows_give_no_estimator():
    assert direct_estimator(FEWEST_ROWS - 1) is None
