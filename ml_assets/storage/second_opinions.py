"""What another model would have answered: where two differ, a label teaches most."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ml_assets.core.errors import ArtefactError
from ml_assets.core.metrics import higher_is_better
from ml_assets.core.problem import Problem
from ml_assets.core.training import predict
from ml_assets.storage.fitted_models import FittedModels
from ml_assets.storage.versions import StoredVersion
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True, eq=False)
class SecondOpinion:
    """The next best candidate of a version's own training.

    Attributes:
        name: Of the candidate.
        model: As it was fitted.
    """

    name: str
    model: Any

    def answers(self, problem: Problem, features: pd.DataFrame) -> np.ndarray:
        """Return its answers as the log has them: numbers, or classes as texts, shape (n,)."""
        found = predict(self.model, features, problem.task).values
        return found if problem.task == "regression" else found.astype(str)


def second_opinion(
    workspace: Workspace, problem: Problem, stored: StoredVersion
) -> SecondOpinion | None:
    """Return the best candidate beside the one that became the version; None if there is none."""
    cutoff, own = stored.version.cutoff, stored.version.configuration.name
    try:
        fitted = FittedModels.of_stage(workspace, problem.name, cutoff, "candidate_models")
        folder = workspace.outputs.folder(problem.name, cutoff, "evaluation_report")
    except ArtefactError:
        return None  # the version came from another workspace: only its own files are here
    evaluation = json.loads((folder / "evaluation.json").read_bytes())
    metric = evaluation["primary_metric"]
    scores = {
        one["model"]: one["value"]
        for one in evaluation["scores"]
        if one["metric"] == metric and one["value"] is not None
    }
    others = [name for name in fitted.configurations if name != own and name in scores]
    if not others:
        return None
    best = max if higher_is_better(metric) else min
    name = best(others, key=lambda other: scores[other])
    return SecondOpinion(name, fitted.model(name))
