"""Where a problem's deployment is announced to its servers."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_assets.core.deployment import DEPLOYMENT_FILE, Deployment
from ml_assets.core.errors import ServingError
from ml_assets.storage.atomic import write_atomically


class DeploymentFile:
    """The one file that a problem's servers watch.

    Args:
        folder: Folder of the file; it is created at the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.folder / DEPLOYMENT_FILE

    def read(self) -> Deployment | None:
        """Return the deployment, or None if there never was one.

        Raises:
            ServingError: If the file is no deployment.
        """
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return None
        try:
            values = json.loads(text)
        except ValueError as error:
            message = f"{self.path} is no JSON ({error}). Promote or roll back to write it again."
            raise ServingError(message) from error
        return Deployment.from_json(values)

    def write(self, deployment: Deployment) -> None:
        """Replace the deployment; the same one again changes nothing.

        Raises:
            ServingError: If its revision is not above the one in place.
        """
        with self._alone():
            current = self.read()
            if current == deployment:
                return
            if current is not None and deployment.revision <= current.revision:
                message = (
                    f"{self.path} is at revision {current.revision} ({current.champion_version}); "
                    f"revision {deployment.revision} ({deployment.champion_version}) is not newer. "
                    "Decide again from the present state."
                )
                raise ServingError(message)
            text = json.dumps(deployment.to_json(), indent=2, sort_keys=True)
            write_atomically(self.path, f"{text}\n".encode())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The lock goes with the process that holds it, so a crash leaves none behind.
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
