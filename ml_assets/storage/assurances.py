"""What a release knows of its own errors and of its training rows, learned from the evaluation."""

from typing import Any

import numpy as np

from ml_assets.core.assurance import Assurance
from ml_assets.core.conformal import Intervals, calibrate_classes, calibrate_numbers
from ml_assets.core.corrections import Bounds
from ml_assets.core.evaluation import CHANCE, PREDICTION, Evaluation
from ml_assets.core.familiarity import Familiarity, learn_familiarity
from ml_assets.core.metrics import higher_is_better
from ml_assets.core.problem import Problem
from ml_assets.core.training_set import TrainingSet
from ml_assets.storage.compiling import compiled_or_reason


def learn_assurance(
    problem: Problem, evaluation: Evaluation, rows: TrainingSet, model: str
) -> Assurance:
    """Return what a model's unseen rows and its training rows say.

    Args:
        problem: Declares coverage, rules and bounds.
        evaluation: Holds the model's answers to rows that it had not seen, in order of time.
        rows: What it was trained on in the end.
        model: Its name in the evaluation.
    """
    return Assurance(
        intervals=_intervals(problem, evaluation, model),
        familiarity=_familiarity(problem, rows),
        unfamiliar=problem.serving.unfamiliar,
        bounds=bounds_of(problem, rows),
    )


def bounds_of(problem: Problem, rows: TrainingSet) -> Bounds:
    """Return how far interventions may go with a model of some rows, in the label's unit."""
    declared = problem.serving.interventions
    sigma = 1.0
    if problem.task == "regression":
        sigma = float(np.std(rows.labels.astype(np.float64))) or 1.0
    return Bounds(
        shift=declared.largest_shift * sigma,
        slope=declared.largest_slope,
        leaning=declared.largest_odds,
        widening=declared.largest_widening,
    )


def best_baseline(evaluation: Evaluation) -> str | None:
    """Return the baseline with the best score, None without one."""
    metric = evaluation.primary_metric
    scores = {
        name: score.value
        for name, kind in evaluation.kinds.items()
        if kind == "baseline" and (score := evaluation.score(name, metric)) is not None
    }
    if not scores:
        return None
    best = max if higher_is_better(metric) else min
    return best(scores, key=lambda name: scores[name])


def compiled_fallback(
    baseline: Any,  # noqa: ANN401
    rows: TrainingSet,
    problem: Problem,
    model: Any,  # noqa: ANN401
) -> bytes | None:
    """Return the file of a baseline that may stand in for a model, None if it cannot.

    Args:
        baseline: Fitted on the same rows as the model.
        rows: Those.
        problem: Its task.
        model: Fitted; its classes must be the baseline's.
    """
    theirs, ours = (list(getattr(one, "classes_", ())) for one in (baseline, model))
    if theirs != ours:
        return None
    compiled = compiled_or_reason(baseline, rows, problem.task)
    return None if isinstance(compiled, str) else compiled.to_bytes()


def _intervals(problem: Problem, evaluation: Evaluation, model: str) -> Intervals | None:
    declared = problem.serving.interval
    if declared is None:
        return None
    judged = evaluation.rows
    if problem.task == "regression":
        truth, predictions = (
            judged[name].to_numpy(dtype=np.float64) for name in ("truth", PREDICTION + model)
        )
        return calibrate_numbers(truth, predictions, coverage=declared.coverage)
    if CHANCE + model not in judged:
        return None
    chances = judged[CHANCE + model].to_numpy(dtype=np.float64)
    return calibrate_classes(chances, coverage=declared.coverage)


def _familiarity(problem: Problem, rows: TrainingSet) -> Familiarity | None:
    if problem.serving.unfamiliar == "answer":
        return None
    frame = rows.frame
    return learn_familiarity(
        frame[list(rows.numeric)].to_numpy(dtype=np.float64),
        {name: frame[name].tolist() for name in rows.categorical},
        names=rows.numeric,
        rate=problem.serving.unfamiliar_rate,
    )
