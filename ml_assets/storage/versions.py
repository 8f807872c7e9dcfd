"""Versions of a problem's model: stored, found again, put to work, taken back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as package_version
from types import MappingProxyType
from typing import Any

from ml_assets.core.deployment import Deployment
from ml_assets.core.errors import LedgerError, nearest
from ml_assets.core.model_version import ModelVersion
from ml_assets.core.reference import Reference
from ml_assets.core.release import RELEASE_FILE, Release
from ml_assets.storage.ledger import Entry
from ml_assets.storage.model_files import load
from ml_assets.storage.serving_state import announce
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.workspace import Workspace

MODEL = "model.skops"
VERSION = "version.json"
REFERENCE = "reference.json"


@dataclass(frozen=True)
class StoredVersion:
    """A version with the artefact that holds its files.

    Attributes:
        version: What was fitted on what.
        digest: Artefact with the model, the version and its drift reference.
        release: Artefact of the release; None if the version never was to serve.
    """

    version: ModelVersion
    digest: str
    release: str | None

    @property
    def name(self) -> str:
        """Name in the ledger."""
        return self.version.name


def code_version() -> str:
    """Return the version of this package."""
    return package_version("ml-assets")


def store_version(
    workspace: Workspace,
    version: ModelVersion,
    model: bytes,
    reference: Reference,
    *,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """Store a version's files, further ones among them, and return the artefact's digest."""
    return workspace.artefacts.put_folder(
        {
            **files,
            MODEL: model,
            VERSION: as_json(version.to_json()),
            REFERENCE: as_json(reference.to_json()),
        }
    )


def stored_version(workspace: Workspace, problem: str, name: str) -> StoredVersion:
    """Return a version by its name in the ledger.

    Raises:
        LedgerError: If the ledger knows no such version.
    """
    entries = [e for e in workspace.ledger.entries(problem) if e.version == name]
    trained = [e for e in entries if e.event == "trained"]
    if not trained:
        known = {e.version for e in workspace.ledger.entries(problem)}
        message = f"{problem!r} has no version {name!r}. {nearest(name, known)}"
        raise LedgerError(message)
    digest = trained[-1].details["artefact"]
    values = json.loads(workspace.artefacts.read_bytes(digest, VERSION))
    releases = [e.details["release"] for e in entries if "release" in e.details]
    release = releases[-1] if releases else None
    return StoredVersion(ModelVersion.from_json(values), digest, release)


def trained_versions(workspace: Workspace, problem: str) -> list[ModelVersion]:
    """Return all versions that were ever trained, whatever became of them."""
    digests = [
        entry.details["artefact"]
        for entry in workspace.ledger.entries(problem)
        if entry.event == "trained"
    ]
    return [
        ModelVersion.from_json(json.loads(workspace.artefacts.read_bytes(digest, VERSION)))
        for digest in digests
    ]


def champion_version(workspace: Workspace, problem: str) -> StoredVersion | None:
    """Return the version that serves, None if nothing serves yet."""
    entry = workspace.ledger.champion(problem)
    return None if entry is None else stored_version(workspace, problem, entry.version)


def served_release(workspace: Workspace, problem: str) -> Release | None:
    """Return what the serving version's release says of itself, None if nothing serves yet."""
    stored = champion_version(workspace, problem)
    if stored is None or stored.release is None:
        return None
    content = workspace.artefacts.read_bytes(stored.release, RELEASE_FILE)
    return Release.from_json(json.loads(content))


def model_of(workspace: Workspace, stored: StoredVersion) -> Any:  # noqa: ANN401
    """Return the fitted model of a version; its file and its types are verified first."""
    return load(workspace.artefacts.read_bytes(stored.digest, MODEL))


def reference_of(workspace: Workspace, stored: StoredVersion) -> Reference:
    """Return what production is compared with while a version serves."""
    return Reference.from_json(json.loads(workspace.artefacts.read_bytes(stored.digest, REFERENCE)))


def deploy(
    workspace: Workspace,
    problem: str,
    name: str,
    *,
    event: str,
    reason: str,
    details: dict[str, Any] | None = None,
    now: datetime,
    follows: int | None = None,
) -> tuple[Entry, Deployment]:
    """Let a version serve alone: first the ledger says so, then running servers are told.

    Args:
        workspace: Where the ledger and the deployment are.
        problem: Name of the problem.
        name: Version to serve.
        event: ``promoted``, or ``rolled_back`` for a version that served before.
        reason: Why.
        details: Further facts for the ledger.
        now: When.
        follows: Entry of the last change that the decision knew of, if that matters.

    Raises:
        LedgerError: If the version has no release, never served and is to be rolled back to, or
            something happened since entry ``follows``.
    """
    stored = stored_version(workspace, problem, name)
    if stored.release is None:
        message = f"Version {name!r} was never packaged, so it cannot serve. Promote another one."
        raise LedgerError(message)
    # Verified before the ledger says anything.
    workspace.artefacts.folder(stored.release)
    entry = workspace.ledger.record(
        problem,
        event,  # pyrefly: ignore[bad-argument-type] - checked by the ledger
        name,
        reason=reason,
        details={**(details or {}), "release": stored.release},
        at=now,
        follows=follows,
    )
    return entry, announce(workspace, problem)
