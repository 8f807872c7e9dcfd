import numpy as np
import pytest
from sklearn import metrics as oracle

from ml_assets.core.errors import DataError
from ml_assets.core.metrics import (
    Predictions,
    combined,
    higher_is_better,
    loss_value,
    metric_value,
    row_loss,
    terms,
)
from ml_assets.core.problem import METRICS, ROW_LOSSES

GENERATOR = np.random.default_rng(7)


def _regression():
    y = GENERATOR.normal(100, 3, 300)
    return y, Predictions(y + GENERATOR.normal(0.5, 1, 300))


def _classes(count, labels):
    y = np.array(labels)[GENERATOR.integers(0, count, 300)]
    raw = GENERATOR.random((300, count)) + 0.5 * (y[:, None] == np.array(labels))
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    return y, Predictions(
        np.array(labels)[probabilities.argmax(axis=1)], probabilities, tuple(labels)
    )


REGRESSION = _regression()
BINARY = _classes(2, ["down", "up"])
MULTICLASS = _classes(3, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("metric", "data", "expected"),
    [
        ("mae", REGRESSION, lambda y, p: oracle.mean_absolute_error(y, p.values)),
        ("rmse", REGRESSION, lambda y, p: oracle.root_mean_squared_error(y, p.values)),
        ("bias", REGRESSION, lambda y, p: (p.values - y).mean()),
        ("r2", REGRESSION, lambda y, p: oracle.r2_score(y, p.values)),
        ("log_loss", BINARY, lambda y, p: oracle.log_loss(y, p.probabilities)),
        ("log_loss", MULTICLASS, lambda y, p: oracle.log_loss(y, p.probabilities)),
        ("accuracy", BINARY, lambda y, p: oracle.accuracy_score(y, p.values)),
        ("brier", BINARY, lambda y, p: oracle.brier_score_loss(y == "up", p.positive)),
        ("roc_auc", BINARY, lambda y, p: oracle.roc_auc_score(y == "up", p.positive)),
        ("f1", BINARY, lambda y, p: oracle.f1_score(y, p.values, pos_label="up")),
        ("f1", MULTICLASS, lambda y, p: oracle.f1_score(y, p.values, average="macro")),
    ],
)
def test_metric_equals_scikit_learns(metric, data, expected):
    assert metric_value(metric, *data) == pytest.approx(expected(*data), rel=1e-12)


def test_ties_in_the_scores_count_half_in_the_auc():
    y = np.array([0, 1, 0, 1, 1, 0])
    score = np.array([0.2, 0.2, 0.5, 0.5, 0.9, 0.1])
    predictions = Predictions(y, np.column_stack([1 - score, score]), (0, 1))
    assert metric_value("roc_auc", y, predictions) == pytest.approx(oracle.roc_auc_score(y, score))


def test_resampled_auc_spreads_like_the_auc_of_resampled_rows():
    generator = np.random.default_rng(0)
    y = (generator.random(1500) < 0.1).astype(int)
    score = 1 / (1 + np.exp(-generator.normal(y * 1.0, np.where(y, 2.0, 1.0))))
    predictions = Predictions(y, np.column_stack([1 - score, score]), (0, 1))
    drawn = generator.integers(0, 1500, size=(200, 1500))
    means = terms("roc_auc", y, predictions)[drawn].mean(axis=1)
    expected = [oracle.roc_auc_score(y[rows], score[rows]) for rows in drawn]
    assert np.corrcoef(combined("roc_auc", means), expected)[0, 1] > 0.99
    assert combined("roc_auc", means).std() == pytest.approx(np.std(expected), rel=0.03)


def test_temporal_kappa_is_zero_without_a_gain_and_one_without_a_miss():
    y, predictions = BINARY
    unchanged = np.roll(y, 1)
    as_before = Predictions(unchanged, predictions.probabilities, predictions.classes)
    assert metric_value("temporal_kappa", y, as_before, no_change=unchanged) == 0.0
    perfect = Predictions(y, predictions.probabilities, predictions.classes)
    assert metric_value("temporal_kappa", y, perfect, no_change=unchanged) == 1.0
    with pytest.raises(DataError, match="persistence"):
        metric_value("temporal_kappa", y, predictions)


@pytest.mark.parametrize("metric", ROW_LOSSES)
def test_row_losses_are_lower_for_a_perfect_answer(metric):
    if "regression" in METRICS[metric]:
        y, predictions = REGRESSION
        perfect = Predictions(y)
    else:
        y, predictions = BINARY
        perfect = Predictions(y, (y[:, None] == np.array(["down", "up"])) * 1.0, ("down", "up"))
    assert row_loss(metric, y, perfect).max() < 1e-9
    assert row_loss(metric, y, predictions).mean() > 0.01


def test_every_metric_of_a_task_is_computed_from_means():
    for metric, tasks in METRICS.items():
        for task, (y, predictions) in zip(
            ("regression", "binary", "multiclass"), (REGRESSION, BINARY, MULTICLASS), strict=True
        ):
            if task in tasks:
                found = terms(metric, y, predictions, no_change=np.roll(y, 1))
                assert found.shape[0] == len(y)
                assert np.isfinite(combined(metric, found.mean(axis=0)))


def test_a_class_that_training_never_saw_costs_most_and_is_no_error():
    seen = Predictions(np.array(["a", "a"]), np.array([[1.0], [1.0]]), ("a",))
    y = np.array(["a", "b"])
    with pytest.raises(DataError, match="'b'"):
        row_loss("log_loss", y, seen)
    loss = row_loss("log_loss", y, seen.among(("a", "b")))
    assert loss[0] == 0.0
    assert loss[1] > 30


def test_undefined_metrics_are_nan_and_not_an_error():
    y = np.array([2.0, 2.0])
    assert np.isnan(metric_value("r2", y, Predictions(np.array([1.0, 3.0]))))
    one = Predictions(np.array([1, 1]), np.array([[0.4, 0.6], [0.3, 0.7]]), (0, 1))
    assert np.isnan(metric_value("roc_auc", np.array([1, 1]), one))


def test_unknown_metrics_are_named_with_what_was_meant():
    with pytest.raises(DataError, match="'rmse'"):
        terms("rsme", *REGRESSION)
    with pytest.raises(DataError, match="not a mean"):
        row_loss("r2", *REGRESSION)
    assert higher_is_better("accuracy")
    assert not higher_is_better("mae")
    assert loss_value("rmse", -1e-20) == 0.0
