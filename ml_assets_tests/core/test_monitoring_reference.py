"""What production is compared with are the rows that the model was judged on."""

from dataclasses import replace

import pytest

from ml_assets.core.errors import DataError
from ml_assets.core.evaluation import evaluate
from ml_assets.core.monitoring_reference import learn_reference
from ml_assets_tests.core.learning_data import configurations, problem, training_set


def test_the_evaluation_of_another_training_set_is_refused():
    declared, rows = problem(), training_set()
    evaluation = evaluate(declared, rows, configurations(declared), champion=None, seed=0)
    assert learn_reference(declared, evaluation, rows, "ridge")
    other = replace(rows, frame=rows.frame.iloc[:-2])
    with pytest.raises(DataError, match="again with the same cutoff"):
        learn_reference(declared, evaluation, other, "ridge")
