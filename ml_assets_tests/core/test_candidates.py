import pytest

from ml_assets.core.candidates import check_candidate, estimator_class, instantiate
from ml_assets.core.errors import DeclarationError
from ml_assets.core.problem import Candidate

BOOSTED = "sklearn.ensemble.HistGradientBoostingRegressor"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sklearn.linear_model.Rigde", "'Ridge'"),
        ("sklearn.linear_models.Ridge", "'linear_model'"),
        ("sklern.linear_model.Ridge", "'sklern'"),
        ("sklearn.preprocessing.StandardScaler", "not an estimator"),
        ("sklearn.model_selection.train_test_split", "not an estimator"),
    ],
)
def test_a_wrong_path_says_what_was_meant(path, said):
    with pytest.raises(DeclarationError, match=said):
        estimator_class(path)


@pytest.mark.parametrize(
    ("declared", "task", "said"),
    [
        ({"estimator": BOOSTED, "params": {"max_iters": 3}}, "regression", "'max_iter'"),
        ({"estimator": BOOSTED, "search": {"depth": [1]}}, "regression", "'max_depth'"),
        ({"estimator": BOOSTED}, "binary", "cannot do binary"),
        ({"estimator": "sklearn.svm.SVC"}, "regression", "cannot do regression"),
        (
            {"estimator": "sklearn.svm.LinearSVC", "target_transform": "log1p"},
            "binary",
            "target_transform",
        ),
    ],
)
def test_a_candidate_that_cannot_be_trained_is_refused_early(declared, task, said):
    with pytest.raises(DeclarationError, match=said):
        check_candidate(Candidate(name="one", **declared), task)


@pytest.mark.parametrize(
    ("path", "task"),
    [(BOOSTED, "regression"), ("sklearn.svm.LinearSVC", "binary"), ("sklearn.svm.SVC", "binary")],
)
def test_a_fit_candidate_passes(path, task):
    check_candidate(Candidate(name="one", estimator=path), task)


def test_early_stopping_on_rows_drawn_across_time_is_off_unless_declared():
    assert instantiate(BOOSTED, {}, seed=3).early_stopping is False
    assert instantiate(BOOSTED, {"early_stopping": True}, seed=3).early_stopping is True


def test_the_seed_is_given_unless_declared():
    assert instantiate(BOOSTED, {}, seed=3).random_state == 3
    assert instantiate(BOOSTED, {"random_state": 5}, seed=3).random_state == 5
