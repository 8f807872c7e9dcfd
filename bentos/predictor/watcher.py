"""Follows the deployment: a new revision is loaded, proven and exchanged for the old one."""

import json
import logging
import threading
from pathlib import Path
from time import monotonic

from bentos.predictor.adjusting import Adjusting
from bentos.predictor.serving import Serving
from bentos.predictor.settings import Settings
from ml_assets.core.deployment import Deployment
from ml_assets.core.errors import ServingError
from ml_assets.core.release import MANIFEST_FILE, digest_of

POLL_SECONDS = 0.5
RETRY_SECONDS = 10.0
logger = logging.getLogger(__name__)


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the content of each file below ``folder``, by its relative name.

    Raises:
        ServingError: If there is no such folder.
    """
    if not folder.is_dir():
        message = f"There is no release folder {folder}. Deploy a release that is stored here."
        raise ServingError(message)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Watcher:
    """Keeps ``serving`` at what the settings ask for.

    Args:
        serving: Holds the release that answers.
        settings: Where the release, or the deployment, is.
    """

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings
        self._adjusting = Adjusting(serving, settings.adjustment)
        self._seen: str | None = None
        self._missing: str | None = None
        self._retry_at = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="deployment", daemon=True)

    def start(self) -> None:
        """Load what is asked for, and follow it from then on."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no longer."""
        self._stopped.set()
        self._thread.join()

    def look(self) -> None:
        """Serve what is asked for if that is new; on failure the old release stays."""
        self._look_at_deployment()
        try:
            self._adjusting.look()
        except Exception:
            # As with a release: whatever is wrong with the file, the next one must be seen.
            logger.exception("The adjustment could not be looked at; what was in force stays.")

    def _look_at_deployment(self) -> None:
        try:
            wanted = self._wanted()
            known = wanted == self._seen
            incomplete = self._serving.error or self._serving.contender_error
            if known and (incomplete is None or monotonic() < self._retry_at):
                return
            self._seen = wanted
            self._serve(wanted)
        except Exception as error:
            # Whatever is wrong with a release, the watcher must live to see the next one, and
            # everyone may read the reason in GET /release.
            told = f"{type(error).__name__}: {error}"
            if told != self._serving.error:
                logger.exception("The release is not exchanged; the old one stays.")
            self._serving.error = told
            self._retry_at = monotonic() + RETRY_SECONDS
        else:
            self._serving.error = None
            self._tell_contender(self._serving.contender_error)

    def _tell_contender(self, failure: str | None) -> None:
        """Say once why the version beside the champion is missing; it is tried again later."""
        if failure is not None:
            self._retry_at = monotonic() + RETRY_SECONDS
            if failure != self._missing:
                logger.error("The champion answers alone: %s", failure)
        self._missing = failure

    def _wanted(self) -> str:
        """Return the text of the deployment; without one, the packed release's manifest."""
        place = self._settings.deployment
        if place is None:
            return (self._settings.packed_release / MANIFEST_FILE).read_text("utf-8")
        if not place.is_file():
            message = f"There is no deployment at {place}. Promote a version first."
            raise ServingError(message)
        return place.read_text("utf-8")

    def _serve(self, wanted: str) -> None:
        if self._settings.deployment is None:
            files = read_folder(self._settings.packed_release)
            self._serving.serve(files, digest=digest_of(files), revision=0)
            return
        deployment = Deployment.from_json(json.loads(wanted))
        self._serving.follow(deployment, lambda folder: read_folder(Path(folder)))

    def _follow(self) -> None:
        self.look()
        while not self._stopped.wait(POLL_SECONDS):
            self.look()
