"""Answers of every model on the same rows, each given before the model could know the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ml_assets.core.errors import DataError
from ml_assets.core.histories import able_to_learn
from ml_assets.core.metrics import Predictions
from ml_assets.core.problem import Problem, Task
from ml_assets.core.side_by_side import side_by_side
from ml_assets.core.splits import Fold, folds, with_several_classes
from ml_assets.core.training import Configuration, as_known_at, fit, plain_labels, predict
from ml_assets.core.training_set import TrainingSet

ModelKind = Literal["candidate", "baseline", "champion"]


@dataclass(frozen=True)
class Champion:
    """The model that serves now. It is judged as it is, never trained again.

    Attributes:
        model: As ``fit`` returned it.
        cutoff: Nothing known after it was trained on.
        name: What it is called in the evaluation; no candidate or baseline may share it.
    """

    model: Any
    cutoff: datetime
    name: str = "champion"


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What one model answered.

    Attributes:
        name: Of the model.
        kind: What it is.
        at: Positions of the rows it answered, among the test rows of the walk; ascending.
        predictions: For those rows.
    """

    name: str
    kind: ModelKind
    at: npt.NDArray[np.intp]
    predictions: Predictions


@dataclass(frozen=True, kw_only=True, eq=False)
class Walk:
    """Everything the judges of the models need.

    Attributes:
        folds: In order of time; positions are those of the training set.
        rows: The test rows of all folds, in order of time.
        fold_of_row: Number of the fold of each test row, shape (n,).
        y: Truth of each test row, shape (n,).
        classes: All classes, sorted; empty for regression.
        answers: One a model.
        last_models: By configuration, the model that was trained for the last fold.
        change: When the world changed, where all folds lie after that.
    """

    folds: tuple[Fold, ...]
    rows: TrainingSet
    fold_of_row: npt.NDArray[np.intp]
    y: np.ndarray
    classes: tuple[Any, ...]
    answers: tuple[Answers, ...]
    last_models: Mapping[str, Any]
    change: datetime | None = None

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Event time of each test row in UTC."""
        return self.rows.frame["event_time"].to_numpy(dtype="datetime64[us]")

    def values_of(self, model: str) -> np.ndarray | None:
        """Return the answers of a model for all rows, None if it is not in the walk."""
        found = (one.predictions.values for one in self.answers if one.name == model)
        return next(found, None)


class Trainer(Protocol):
    """Makes a model of a configuration and what was known at a cutoff."""

    def __call__(
        self, configuration: Configuration, training_set: TrainingSet, *, seed: int
    ) -> Any:  # noqa: ANN401
        """Return the fitted model."""
        ...


def walk_forward(
    problem: Problem,
    training_set: TrainingSet,
    configurations: Sequence[Configuration],
    *,
    champion: Champion | None,
    seed: int,
    change: datetime | None = None,
    trainer: Trainer = fit,
    jobs: int | None = None,
) -> Walk:
    """Train each configuration fold by fold and collect the answers for the test rows.

    Args:
        problem: Declares the folds.
        training_set: All rows known at the cutoff.
        configurations: Each is trained anew for every fold.
        champion: Answers as it is the rows after its own cutoff.
        seed: Of the models.
        change: When the world changed; all folds then lie after it.
        trainer: Makes the models.
        jobs: Processes at once, at most; by default what the search may use.

    Raises:
        DataError: If no fold is possible.
    """
    steps = _steps(problem, training_set, change)
    configurations = able_to_learn(configurations, training_set, steps)
    rows = training_set.rows(np.concatenate([fold.test for fold in steps]))
    y, classes = plain_labels(rows), ()
    if problem.task != "regression":
        classes = tuple(sorted({*plain_labels(training_set).tolist()}))
    trained = side_by_side(
        [
            partial(
                _trained,
                configuration,
                training_set,
                fold,
                task=problem.task,
                seed=seed,
                trainer=trainer,
            )
            for configuration in configurations
            for fold in steps
        ],
        jobs=jobs or problem.search.jobs,
    )
    answers, last_models = [], {}
    for number, configuration in enumerate(configurations):
        own = trained[number * len(steps) : (number + 1) * len(steps)]
        parts = [predictions.among(classes) for _, predictions in own]
        last_models[configuration.name] = own[-1][0]
        everywhere = np.arange(len(y))
        answers.append(
            Answers(
                name=configuration.name,
                kind=configuration.kind,
                at=everywhere,
                predictions=_joined(parts),
            )
        )
    if champion is not None:
        answers.append(_of_champion(problem, rows, champion, classes))
    return Walk(
        folds=tuple(steps),
        rows=rows,
        fold_of_row=np.repeat(np.arange(len(steps)), [len(fold.test) for fold in steps]),
        y=y,
        classes=classes,
        answers=tuple(answers),
        last_models=last_models,
        change=change,
    )


def _trained(
    configuration: Configuration,
    training_set: TrainingSet,
    fold: Fold,
    *,
    task: Task,
    seed: int,
    trainer: Trainer,
) -> tuple[Any, Predictions]:
    """Return the model that was trained before a fold, and its answers for the fold."""
    known = as_known_at(training_set, fold.train, fold.train_cutoff)
    model = trainer(configuration, known, seed=seed)
    return model, predict(model, training_set.rows(fold.test).inputs, task)


def _steps(problem: Problem, training_set: TrainingSet, change: datetime | None) -> list[Fold]:
    frame = training_set.frame
    steps = folds(
        frame["event_time"],
        frame["label_known_at"],
        problem.evaluation,
        problem.label.delay,
        training_set.cutoff,
        change=change,
    )
    if problem.task == "regression":
        return steps
    steps = with_several_classes(steps, plain_labels(training_set))
    if not steps:
        message = (
            f"Before every fold of the evaluation all labels of {training_set.target!r} are the "
            f"same: there is nothing to learn. Materialise more partitions."
        )
        raise DataError(message)
    return steps


def _of_champion(
    problem: Problem, rows: TrainingSet, champion: Champion, classes: tuple[Any, ...]
) -> Answers:
    """Answers for the rows after the champion's cutoff: it may have learned from the others."""
    unseen = np.flatnonzero((rows.frame["event_time"] > champion.cutoff).to_numpy())
    if not len(unseen):
        none = np.empty((0, len(classes))) if classes else None
        empty = Predictions(plain_labels(rows)[:0], none, classes)
        return Answers(name=champion.name, kind="champion", at=unseen, predictions=empty)
    needed = getattr(champion.model, "feature_names_in_", rows.inputs.columns)
    gone = sorted(set(needed) - set(rows.inputs.columns))
    if gone:
        message = (
            f"{champion.name!r} reads {gone}, which features.sql no longer makes. Keep these "
            f"features until a model without them is promoted, or evaluate without the champion."
        )
        raise DataError(message)
    answered = predict(champion.model, rows.rows(unseen).inputs, problem.task)
    known = tuple(sorted({*classes, *answered.classes}))
    predictions = answered.among(known)
    return Answers(name=champion.name, kind="champion", at=unseen, predictions=predictions)


def _joined(parts: list[Predictions]) -> Predictions:
    values = np.concatenate([part.values for part in parts])
    given = [part.probabilities for part in parts if part.probabilities is not None]
    probabilities = np.concatenate(given) if given else None
    return Predictions(values, probabilities, parts[0].classes)
