"""The model of a release behind one interface: compiled, or as scikit-learn evaluates it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ml_assets.core.compiled import Answer, CompiledModel
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.problem.learning import Task
from ml_assets.core.release import COMPILED_FILE, MODEL_FILE


class Predictions(Protocol):
    """What a model says of n rows."""

    @property
    def values(self) -> np.ndarray:
        """Numbers or classes, shape (n,)."""
        ...

    @property
    def probabilities(self) -> np.ndarray | None:
        """Shape (n, k) for k classes; None where there are none."""
        ...

    @property
    def classes(self) -> tuple[Any, ...]:
        """The k classes in the order of the columns."""
        ...


class Model(Protocol):
    """Answers rows whose features are known."""

    def predict(self, inputs: FeatureValues) -> Predictions:
        """Return the answer to each row.

        Raises:
            DataError: If a compiled model takes a value in no way.
        """
        ...


@dataclass(frozen=True)
class Compiled:
    """A compiled model: neither scikit-learn nor pandas is imported."""

    model: CompiledModel

    def predict(self, inputs: FeatureValues) -> Answer:
        """Return the answer to each row."""
        # A release has the columns of all baselines; a model reads its own, or none.
        further = [inputs[name].tolist() for name in self.model.extra]
        return self.model.predict(inputs.numbers, inputs.texts, further)


def load_model(files: Mapping[str, bytes], task: Task) -> Model:
    """Return what computes the answers of a release.

    Args:
        files: Content of each file of a verified release, by its name.
        task: Of the problem.

    Raises:
        ArtefactError: If the model cannot be read, or names a type that is not trusted.
    """
    if COMPILED_FILE in files:
        return Compiled(CompiledModel.from_bytes(files[COMPILED_FILE]))
    # scikit-learn takes seconds to import: only a release that needs it pays.
    from ml_assets.core.fitted_model import FittedModel  # noqa: PLC0415

    return FittedModel(files[MODEL_FILE], task)
