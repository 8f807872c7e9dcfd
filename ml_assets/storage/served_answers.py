"""The release that serves, to answer a batch with as its servers answer now."""

import json
import logging
from datetime import datetime

from ml_assets.core.answering import Answering
from ml_assets.core.assurer import Assurer
from ml_assets.core.errors import ServingError
from ml_assets.core.release import RELEASE_FILE, Release, verify_manifest
from ml_assets.storage.workspace import Workspace

logger = logging.getLogger(__name__)


def served_answers(
    workspace: Workspace, digest: str, *, now: datetime
) -> tuple[Release, Answering]:
    """Return a release and what answers for it, adjusted as its servers are.

    Args:
        workspace: Holds the release and the adjustment.
        digest: Names the release.
        now: Says whether an intervention is over.

    Raises:
        ArtefactError: If a file is not what was stored, or the model names a type that is not
            trusted.
    """
    files = workspace.artefacts.read_all(digest)
    verify_manifest(files, digest=digest)
    release = Release.from_json(json.loads(files[RELEASE_FILE]))
    answering = Answering(release, files)
    adjust(workspace, release.problem, answering.assurer, digest=digest, now=now)
    return release, answering


def adjust(
    workspace: Workspace, problem: str, assurer: Assurer | None, *, digest: str, now: datetime
) -> None:
    """Bring what is said beside predictions to what running servers say now.

    An adjustment that cannot be believed, or that the release does not allow, counts as none.
    """
    if assurer is None:
        return
    found = workspace.adjustment(problem).read()
    try:
        assurer.adjust(None if found is None else found.in_force(digest, now))
    except ServingError as error:
        assurer.adjust(None)
        logger.warning("Nothing is adjusted: the adjustment is not believed. %s", error)
