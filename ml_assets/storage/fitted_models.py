"""Fitted models of one cutoff, as the training stages hand them on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from ml_assets.core.side_by_side import side_by_side
from ml_assets.core.training import Configuration, fit
from ml_assets.core.training_set import TrainingSet
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.model_files import load, save
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.workspace import Workspace

CONFIGURATIONS = "configurations.json"


@dataclass(frozen=True)
class FittedModels:
    """Where the fitted models of one stage and cutoff are.

    Attributes:
        folder: Verified folder of the stage's files.
        configurations: What was fitted, by name.
    """

    folder: Path
    configurations: dict[str, Configuration]

    @classmethod
    def of_stage(
        cls, workspace: Workspace, problem: str, cutoff: datetime, stage: str
    ) -> "FittedModels":
        """Read what a stage has fitted at a cutoff."""
        folder = workspace.outputs.folder(problem, cutoff, stage)
        listed = json.loads((folder / CONFIGURATIONS).read_bytes())
        found = [Configuration.from_json(values) for values in listed]
        return cls(folder, {configuration.name: configuration for configuration in found})

    def model_file(self, name: str) -> bytes:
        """Return the file of one model."""
        return (self.folder / f"{name}.skops").read_bytes()

    def model(self, name: str) -> Any:  # noqa: ANN401
        """Return one fitted model, its types audited first."""
        return load(self.model_file(name))


def recipe_at(workspace: Workspace, problem: str, cutoff: datetime) -> TrainingRecipe:
    """Return the recipe of the training set at a cutoff."""
    return TrainingRecipe.from_json(
        workspace.outputs.read_json(problem, cutoff, "training_set", "recipe.json")
    )


def training_set_at(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    cutoff: datetime,
) -> TrainingSet:
    """Return the training set that was materialised at a cutoff."""
    recipe = recipe_at(workspace, declared.problem.name, cutoff)
    return read_training_set(connection, workspace.lake, declared, recipe)


def fit_and_store(
    workspace: Workspace,
    declared: DeclaredProblem,
    rows: TrainingSet,
    configurations: Sequence[Configuration],
    *,
    stage: str,
    extra: dict[str, bytes] | None = None,
) -> str:
    """Fit each configuration on all rows, store the models and return the artefact's digest."""
    files = {CONFIGURATIONS: as_json([c.to_json() for c in configurations]), **(extra or {})}
    models = side_by_side(
        [partial(fit, one, rows, seed=declared.problem.seed) for one in configurations],
        jobs=declared.problem.search.jobs,
    )
    for configuration, model in zip(configurations, models, strict=True):
        files[f"{configuration.name}.skops"] = save(model)
    return workspace.outputs.put(declared.problem.name, rows.cutoff, stage, files)
