"""After a change, a candidate competes in three ways of using the past.

All of it, the rows since the change alone, and all of it with older rows weighing less. A short
window alone is often worse than doing nothing, so nobody is asked to believe in one of them: the
gate decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from ml_assets.core.candidates import estimator_class
from ml_assets.core.problem import Candidate, Problem
from ml_assets.core.retraining_history import LEARN_AND_JUDGE
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet

RECENT, WEIGHTED = "__recent", "__weighted"


def adapting(
    configurations: Sequence[Configuration],
    candidates: Sequence[Candidate],
    *,
    age: timedelta,
) -> list[Configuration]:
    """Return configurations with their further ways of using the past.

    Args:
        configurations: One a candidate, of the same names.
        candidates: Declare whether they adapt; one with a half-life says itself what it forgets.
        age: Time since the change, at the cutoff. Rows that old weigh half, so that those since
            the change weigh about as much as all before.
    """
    able = {one.name for one in candidates if one.adapts and one.half_life is None}
    found = []
    for configuration in configurations:
        found.append(configuration)
        if configuration.name in able:
            found += _further(configuration, age)
    return found


def _further(configuration: Configuration, age: timedelta) -> list[Configuration]:
    name, found = configuration.name, []
    if has_fit_parameter(estimator_class(configuration.estimator), "sample_weight"):
        found.append(replace(configuration, name=name + WEIGHTED, half_life=age))
    if configuration.window is None or configuration.window > age:
        found.append(replace(configuration, name=name + RECENT, window=age))
    return found


def judged_since(problem: Problem, rows: TrainingSet, change: datetime | None) -> datetime | None:
    """Return a change if enough rows are from after it to learn from some and judge on others.

    Rows from before it say nothing of who is better now: they only dilute the comparison.
    """
    if change is None:
        return None
    gap = problem.label.delay if problem.evaluation.gap is None else problem.evaluation.gap
    after = (rows.frame["event_time"] >= change + gap).to_numpy()
    return change if np.count_nonzero(after) >= LEARN_AND_JUDGE * problem.gates.min_rows else None


def earliest(problem: Problem, cutoff: datetime) -> datetime | None:
    """Return the moment before which no candidate learns, if all have a window."""
    windows = [candidate.window for candidate in problem.candidates]
    known = [window for window in windows if window is not None]
    if len(known) < len(windows):
        return None
    folds = problem.evaluation.folds * problem.evaluation.horizon
    gap = problem.label.delay if problem.evaluation.gap is None else problem.evaluation.gap
    return cutoff - (max(known, default=timedelta(0)) + folds + gap)
