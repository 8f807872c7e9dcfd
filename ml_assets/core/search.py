"""A random search over a candidate's parameters, on rows that the evaluation never judges.

Random search (Bergstra & Bengio 2012, JMLR 13) needs no order of its trials, so they run side by
side and each depends on its number alone: the same seed tries the same parameters.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from joblib import Parallel, delayed

from ml_assets.core.errors import DataError, DeclarationError
from ml_assets.core.metrics import loss_value, row_loss
from ml_assets.core.one_thread import one_thread
from ml_assets.core.problem import Candidate, Evaluation, Interval, Problem
from ml_assets.core.side_by_side import SECONDS_WORTH_PROCESSES, Clock
from ml_assets.core.splits import Fold, folds, with_several_classes
from ml_assets.core.training import Configuration, as_known_at, fit, plain_labels, predict
from ml_assets.core.training_set import TrainingSet


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration that was tried.

    Attributes:
        number: 0 is the declared configuration itself.
        configuration: What was tried.
        losses: Primary metric as a loss, fold by fold in order of time; empty if not measured.
        loss: The same over the rows of all folds; None if not measured.
    """

    number: int
    configuration: Configuration
    losses: tuple[float, ...] = ()
    loss: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "number": self.number,
            "configuration": self.configuration.to_json(),
            "losses": list(self.losses),
            "loss": self.loss,
        }


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The trials that ran, best first, and why not more did.

    Attributes:
        trials: Ranked by loss, then by number.
        planned: Number of trials that were declared.
        note: What cut the search short, in words; empty if nothing did.
    """

    trials: tuple[Trial, ...]
    planned: int
    note: str = ""

    @property
    def best(self) -> Configuration:
        """Configuration to train."""
        return self.trials[0].configuration

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        trials = [trial.to_json() for trial in self.trials]
        return {"trials": trials, "planned": self.planned, "note": self.note}


def search(
    problem: Problem,
    candidate: Candidate,
    training_set: TrainingSet,
    *,
    seed: int,
    seconds: float | None = None,
    clock: Clock = time.monotonic,
) -> SearchResult:
    """Return the trials of one candidate, ranked.

    Only rows known before the first fold of the evaluation are used, so that the evaluation judges
    the chosen parameters on rows that had no part in choosing them.

    Args:
        problem: Declares the search, the folds and the metric.
        candidate: One of its candidates; trial 0 is its declared parameters alone.
        training_set: All rows known at the cutoff.
        seed: Of the parameters drawn and of the models.
        seconds: No new trial starts after this long; by default an equal part of the budget.
        clock: Tells the time in seconds.
    """
    planned = max(1, problem.search.trials) if candidate.search else 1
    declared = Trial(number=0, configuration=Configuration.of_candidate(candidate))
    if planned == 1:
        return SearchResult(trials=(declared,), planned=1)
    before = _before_the_evaluation(problem, training_set)
    steps = _inner_folds(problem, before)
    if isinstance(steps, str):
        return SearchResult(trials=(declared,), planned=planned, note=steps)
    budget = problem.search.seconds / len(problem.candidates) if seconds is None else seconds
    examined = _Examination(problem, before, steps, seed)
    trials = _run(examined, candidate, planned, budget, clock)
    ranked = sorted(trials, key=lambda trial: (_rank(trial.loss), trial.number))
    short = f"The budget of {budget:g} s ended the search after {len(trials)} trials."
    note = short if len(trials) < planned else ""
    return SearchResult(trials=tuple(ranked), planned=planned, note=note)


def drawn(space: Mapping[str, Interval | tuple[Any, ...]], *, seed: int) -> dict[str, Any]:
    """Draw one value for each parameter of a search space.

    Example:
        >>> drawn({"depth": Interval(low=2, high=8, integer=True), "loss": ("a", "b")}, seed=1)
        {'depth': 5, 'loss': 'b'}
    """
    generator = np.random.default_rng(seed)
    # In order of names, so that the order of the declaration changes nothing.
    return {name: _value(space[name], generator) for name in sorted(space)}


@dataclass(frozen=True)
class _Examination:
    """The folds on which all trials are measured."""

    problem: Problem
    training_set: TrainingSet
    folds: list[Fold]
    seed: int

    def trial(self, candidate: Candidate, number: int) -> Trial:
        """Fit and judge trial ``number`` on every fold."""
        # The candidate's name goes in, else two candidates would draw the same luck.
        own_seed = crc32(f"{self.seed}/{candidate.name}/{number}".encode())
        params = drawn(candidate.search, seed=own_seed) if number else {}
        configuration = Configuration.of_candidate(candidate, params)
        metric = self.problem.primary_metric
        with one_thread():  # several trials at once share the processors
            by_fold = [self._row_losses(configuration, fold) for fold in self.folds]
        return Trial(
            number=number,
            configuration=configuration,
            losses=tuple(float(loss_value(metric, loss.mean())) for loss in by_fold),
            loss=float(loss_value(metric, np.concatenate(by_fold).mean())),
        )

    def _row_losses(self, configuration: Configuration, fold: Fold) -> np.ndarray:
        known = as_known_at(self.training_set, fold.train, fold.train_cutoff)
        try:
            model = fit(configuration, known, seed=self.seed)
        except ValueError as error:
            message = (
                f"{configuration.name!r} cannot be trained with {dict(configuration.params)}: "
                f"{error} Narrow its search to what its estimator takes."
            )
            raise DeclarationError(message) from error
        test = self.training_set.rows(fold.test)
        y = plain_labels(test)
        answers = predict(model, test.inputs, self.problem.task)
        classes = tuple(sorted({*answers.classes, *y.tolist()})) if answers.classes else ()
        return row_loss(self.problem.primary_metric, y, answers.among(classes))


def _run(
    examined: _Examination, candidate: Candidate, planned: int, budget: float, clock: Clock
) -> list[Trial]:
    start = clock()
    first = examined.trial(candidate, 0)
    remaining = (clock() - start) * (planned - 1)
    jobs = examined.problem.search.jobs if remaining > SECONDS_WORTH_PROCESSES else 1

    def in_time() -> Iterator[Any]:
        for number in range(1, planned):
            if clock() - start >= budget:
                return
            yield delayed(examined.trial)(candidate, number)

    # One trial at a time is handed out, so that the budget is asked before each.
    run = Parallel(n_jobs=jobs, batch_size=1, pre_dispatch="n_jobs")
    return [first, *run(in_time())]


def _before_the_evaluation(problem: Problem, training_set: TrainingSet) -> TrainingSet:
    first = _folds(problem, training_set, problem.evaluation)[0]
    return as_known_at(training_set, first.train, first.train_cutoff)


def _inner_folds(problem: Problem, before: TrainingSet) -> list[Fold] | str:
    """Return the folds of the search, or why there are none."""
    inner = problem.evaluation.model_copy(update={"folds": problem.search.folds})
    kept = "The declared parameters were kept without a search."
    try:
        steps = _folds(problem, before, inner)
    except DataError as error:
        return f"{kept} {error}"
    if problem.task != "regression":
        steps = with_several_classes(steps, plain_labels(before))
    return steps or f"{kept} Before the evaluation's first fold, all labels are the same."


def _folds(problem: Problem, training_set: TrainingSet, evaluation: Evaluation) -> list[Fold]:
    frame = training_set.frame
    return folds(
        frame["event_time"],
        frame["label_known_at"],
        evaluation,
        problem.label.delay,
        training_set.cutoff,
    )


def _value(choice: Interval | tuple[Any, ...], generator: np.random.Generator) -> Any:  # noqa: ANN401
    match choice:
        case Interval(low=low, high=high, integer=True, log=False):
            return int(generator.integers(int(np.ceil(low)), int(high), endpoint=True))
        case Interval(low=low, high=high, log=True, integer=integer):
            drawn_value = float(np.exp(generator.uniform(np.log(low), np.log(high))))
            return round(drawn_value) if integer else drawn_value
        case Interval(low=low, high=high):
            return float(generator.uniform(low, high))
        case _:
            return choice[generator.integers(len(choice))]


def _rank(loss: float | None) -> float:
    return float("inf") if loss is None or np.isnan(loss) else loss
