"""What computes a release's answers: its compiled model, or scikit-learn where there is none."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ml_assets.core.compiled import CompiledModel
from ml_assets.core.metrics import Predictions
from ml_assets.core.problem.learning import Task


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
