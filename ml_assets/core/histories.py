"""After a change, a candidate competes in three ways of using the past.

All of it, the rows since the change alone, and all of it with older rows weighing less. A short
window alone is often worse than doing nothing, so nobody is asked to believe in one of them: the
gate decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import has_fit_parameter

from ml_assets.core.candidates import estimator_class
from ml_assets.core.problem import Candidate, Problem
from ml_assets.core.retraining_history import LEARN_AND_JUDGE
from ml_assets.core.splits import Fold
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet

RECENT, WEIGHTED = "__recent", "__weighted"
FURTHER = (RECENT, WEIGHTED)


def adapting(
    configurations: Sequence[Configuration],
    candidates: Sequence[Candidate],
    *,
    rows: TrainingSet,
    change: datetime,
) -> list[Configuration]:
    """Return configurations with their further ways of using the past.

    Args:
        configurations: One a candidate, of the same names.
        candidates: Declare whether they adapt; one with a half-life says itself what it forgets.
        rows: What was known at the cutoff.
        change: When the world changed. Rows that old weigh half, so that those since the change
            weigh about as much as all before.
    """
    age, everything = rows.cutoff - change, np.arange(len(rows.frame))
    able = {one.name for one in candidates if one.adapts and one.half_life is None}
    found = []
    for configuration in configurations:
        found.append(configuration)
        if configuration.name in able:
            found += [
                further
                for further in _further(configuration, age)
                if _teaches(rows, further, everything, rows.cutoff)
            ]
    return found


def declared_name(name: str) -> str:
    """Return the name of the candidate that a way of using the past belongs to.

    Example:
        >>> declared_name("ridge__recent"), declared_name("ridge")
        ('ridge', 'ridge')
    """
    for ending in FURTHER:
        name = name.removesuffix(ending)
    return name


def able_to_learn(
    configurations: Sequence[Configuration], rows: TrainingSet, steps: Sequence[Fold]
) -> list[Configuration]:
    """Return configurations without those ways of using the past that some fold leaves nothing.

    A declared configuration stays: that it cannot learn is for people to know.
    """
    return [
        configuration
        for configuration in configurations
        if not configuration.name.endswith(FURTHER)
        or all(_teaches(rows, configuration, step.train, step.train_cutoff) for step in steps)
    ]


def _teaches(
    rows: TrainingSet, configuration: Configuration, at: npt.NDArray[np.intp], cutoff: datetime
) -> bool:
    """Say whether some rows hold two different labels within a configuration's window."""
    if configuration.window is not None:
        recent = rows.frame["event_time"].iloc[at] >= cutoff - configuration.window
        at = at[recent.to_numpy()]
    return len(set(rows.labels[at].tolist())) > 1


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
