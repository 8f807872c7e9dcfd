"""The estimator of a version's losses: learned when the version is, stored with it."""

import json

from ml_assets.core.errors import ArtefactError
from ml_assets.core.estimation.loss_estimator import LossEstimator
from ml_assets.storage.model_files import load, save
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.versions import StoredVersion
from ml_assets.storage.workspace import Workspace

FACTS, MODEL = "loss_estimator.json", "loss_model.skops"


def estimator_files(estimator: LossEstimator | None) -> dict[str, bytes]:
    """Return an estimator as files to store with its version; none if there is no estimator."""
    if estimator is None:
        return {}
    files = {FACTS: as_json(estimator.to_json())}
    return files if estimator.model is None else {**files, MODEL: save(estimator.model)}


def estimator_of(workspace: Workspace, stored: StoredVersion) -> LossEstimator | None:
    """Return a version's estimator, verified first; None if it had too few rows for one.

    Raises:
        ArtefactError: If a file was changed or names a type that is not trusted.
    """
    folder = workspace.artefacts.folder(stored.digest)
    if not (folder / FACTS).is_file():
        return None
    values = json.loads((folder / FACTS).read_bytes())
    if values["calibration"] is not None:
        return LossEstimator.from_json(values)
    if not (folder / MODEL).is_file():
        message = f"{stored.name} has {FACTS} without {MODEL}. Train the version again."
        raise ArtefactError(message)
    return LossEstimator.from_json(values, load((folder / MODEL).read_bytes()))
