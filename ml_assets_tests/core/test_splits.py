from datetime import timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DataError
from ml_assets.core.problem import Evaluation
from ml_assets.core.splits import folds, with_several_classes
from ml_assets_tests.core.learning_data import START

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def _walk(*, days=40, delay=6 * HOUR, late=timedelta(0), cutoff=None, **declared):
    event_time = pd.Series(pd.date_range(START, periods=24 * days, freq="h", unit="us"))
    known = event_time + delay + late
    evaluation = Evaluation(**{"folds": 4, "horizon": 5 * DAY, "min_train_rows": 100, **declared})
    cutoff = cutoff or known.max().to_pydatetime()
    return event_time, known, folds(event_time, known, evaluation, delay, cutoff)


@pytest.mark.parametrize("delay", [timedelta(0), 6 * HOUR, 3 * DAY])
@pytest.mark.parametrize("late", [timedelta(0), DAY])
def test_nothing_is_trained_on_that_was_not_known_before_the_fold(delay, late):
    event_time, known, walk = _walk(delay=delay, late=late)
    assert len(walk) == 4
    for fold in walk:
        assert (known[fold.train] <= fold.train_cutoff).all()
        assert (event_time[fold.train] < fold.train_cutoff - delay).all()
        assert fold.train_cutoff == fold.window.start
        assert all(fold.window.start <= time < fold.window.end for time in event_time[fold.test])


def test_folds_follow_each_other_and_end_with_the_last_labelled_row():
    event_time, _, walk = _walk()
    tested = np.concatenate([fold.test for fold in walk])
    assert tested.tolist() == list(range(tested[0], len(event_time)))
    assert all(one.window.end == after.window.start for one, after in pairwise(walk))


def test_a_longer_gap_leaves_out_the_rows_before_a_fold():
    event_time, _, walk = _walk(gap=2 * DAY)
    for fold in walk:
        assert event_time[fold.train].max() < fold.window.start - 2 * DAY


def test_labels_known_after_the_cutoff_are_not_used_at_all():
    event_time, known, walk = _walk(cutoff=START + 30 * DAY)
    used = np.concatenate([walk[-1].train, walk[-1].test])
    assert (known[used] <= START + 30 * DAY).all()
    assert event_time[walk[-1].test].max() == START + 30 * DAY - 6 * HOUR


def test_short_data_gives_fewer_folds_and_then_an_error_that_says_what_is_needed():
    assert len(_walk(days=16)[2]) == 2
    with pytest.raises(DataError, match="needs 500 rows"):
        _walk(days=16, min_train_rows=500)
    with pytest.raises(DataError, match="No label was known"):
        _walk(cutoff=START - DAY)


def test_a_pause_in_the_rows_is_no_empty_fold():
    event_time = pd.Series(pd.date_range(START, periods=480, freq="h", unit="us"))
    event_time[400:] += 20 * DAY
    evaluation = Evaluation(folds=6, horizon=5 * DAY, min_train_rows=100)
    walk = folds(event_time, event_time, evaluation, timedelta(0), event_time.max())
    assert len(walk) < 6
    assert all(len(fold.test) for fold in walk)


def test_folds_with_one_class_before_them_teach_nothing():
    event_time, _, walk = _walk()
    labels = np.where(event_time < walk[2].train_cutoff - DAY, "up", "down")
    assert with_several_classes(walk, labels) == walk[2:]
