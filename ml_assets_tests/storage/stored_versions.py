"""Packaged versions in a workspace, and their releases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ml_assets.core.model_version import ModelVersion
from ml_assets.core.reference import Reference
from ml_assets.core.training import Configuration
from ml_assets.storage.versions import store_version
from ml_assets.storage.workspace import Workspace

START = datetime(2024, 1, 1, tzinfo=UTC)


def package(
    workspace: Workspace,
    problem: str,
    seed: int,
    *,
    packed: bool = True,
    release_of: Callable[[str], Mapping[str, bytes]] | None = None,
) -> str:
    """Store a version that the gates let through, and return its name; another seed is another.

    Args:
        workspace: Where it goes.
        problem: Name of the problem.
        seed: Tells versions apart.
        packed: Whether it has a release.
        release_of: Makes the files of the release of a version; by default a file of no use.
    """
    version = ModelVersion(
        problem=problem,
        cutoff=START,
        configuration=Configuration(
            name="ridge", kind="candidate", estimator="sklearn.linear_model.Ridge"
        ),
        recipe={},
        features_digest="f",
        code_version="1",
        seed=seed,
        rows=9,
    )
    reference = Reference(
        columns={}, window=timedelta(hours=1), chunk_rows=1, rows=9, phases=1, mixes={}
    )
    artefact = store_version(workspace, version, b"model", reference)
    files = {"release.json": f"{seed}".encode()} if release_of is None else release_of(version.name)
    release = workspace.artefacts.put_folder(files)
    made = {"artefact": artefact}
    passed = {"release": release} if packed else {}
    for event, details in (("trained", made), ("challenged", passed)):
        workspace.ledger.record(problem, event, version.name, reason="", details=details, at=START)
    return version.name
