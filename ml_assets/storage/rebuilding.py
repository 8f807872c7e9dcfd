"""A version fitted again from what was recorded about it."""

from dataclasses import dataclass

import duckdb
import numpy as np

from ml_assets.core.metrics import Predictions
from ml_assets.core.training import fit, predict
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.versions import StoredVersion, code_version, model_of
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class Rebuilt:
    """How a rebuilt model compares with the stored one.

    Attributes:
        rows: Training rows on which both were asked.
        different: Rows on which they differ in any bit.
        largest: Largest difference; for classes, of their probabilities.
        explanation: What is known to be different, in words.
    """

    rows: int
    different: int
    largest: float
    explanation: str

    @property
    def equal(self) -> bool:
        """Whether every prediction is the same to the bit."""
        return self.different == 0


def rebuild(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stored: StoredVersion,
) -> Rebuilt:
    """Read the recorded training set, fit the recorded configuration and compare predictions."""
    version = stored.version
    recipe = TrainingRecipe.from_json(version.recipe)
    rows = read_training_set(connection, workspace.lake, declared, recipe)
    again = fit(version.configuration, rows, seed=version.seed)
    before = _numbers(predict(model_of(workspace, stored), rows.inputs, declared.problem.task))
    after = _numbers(predict(again, rows.inputs, declared.problem.task))
    differs = (before != after).any(axis=1)
    largest = float(np.abs(before - after).max()) if len(before) else 0.0
    return Rebuilt(len(before), int(differs.sum()), largest, _explanation(version.code_version))


def _numbers(answers: Predictions) -> np.ndarray:
    probabilities = answers.probabilities
    values = answers.values if probabilities is None else probabilities
    return np.asarray(values, dtype=float).reshape(len(values), -1)


def _explanation(recorded: str) -> str:
    if recorded == code_version():
        return "Code and data are the recorded ones: compare the versions of the libraries."
    return f"It was made by code version {recorded}; this is {code_version()}."
