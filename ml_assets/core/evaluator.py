"""What computes a release's answers: its compiled model, or scikit-learn where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ml_assets.core.compiled import CompiledModel
from ml_assets.core.metrics import Predictions
from ml_assets.core.problem.learning import Task
from ml_assets.core.release import COMPILED_FILE, MODEL_FILE
from ml_assets.core.trusted_types import construct


class Evaluator(Protocol):
    """Answers rows whose features are known."""

    def predict(self, inputs: pd.DataFrame) -> Predictions:
        """Return the answer to each row of a frame that holds the model's inputs.

        Raises:
            DataError: If a compiled model takes a value in no way.
        """
        ...


@dataclass(frozen=True)
class Compiled:
    """A compiled model: neither scikit-learn nor skops is imported."""

    model: CompiledModel

    def predict(self, inputs: pd.DataFrame) -> Predictions:
        """Return the answer to each row."""
        found = self.model.predict(
            inputs[list(self.model.numeric)].to_numpy(dtype=np.float64),
            [inputs[name].tolist() for name in self.model.categorical],
            [inputs[name].tolist() for name in self.model.extra],
        )
        return Predictions(found.values, found.probabilities, found.classes)


@dataclass(frozen=True)
class ScikitLearn:
    """A fitted model as scikit-learn evaluates it."""

    model: Any
    task: Task

    def predict(self, inputs: pd.DataFrame) -> Predictions:
        """Return the answer to each row."""
        # scikit-learn takes seconds to import: only who needs it pays.
        from ml_assets.core.training import predict  # noqa: PLC0415

        return predict(self.model, inputs, self.task)


def evaluator_of(files: Mapping[str, bytes], task: Task) -> Evaluator:
    """Return what computes the answers of a release.

    Args:
        files: Content of each file of a verified release, by its name.
        task: Of the problem.

    Raises:
        ArtefactError: If the model cannot be read, or names a type that is not trusted.
    """
    if COMPILED_FILE in files:
        return Compiled(CompiledModel.from_bytes(files[COMPILED_FILE]))
    return ScikitLearn(construct(files[MODEL_FILE]), task)
