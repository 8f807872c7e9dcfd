"""Where a problem's deployment is announced to its servers, and all deployments it had."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import sqlalchemy as sa

from ml_assets.core.deployment import DEPLOYMENT_FILE, Deployment
from ml_assets.core.errors import ServingError
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.state import State, fetch
from ml_assets.storage.tables import deployments


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


class DeploymentLog:
    """The deployments of all problems, each revision once."""

    def __init__(self, state: State) -> None:
        self.state = state

    def record(self, deployment: Deployment) -> None:
        """Append ``deployment``.

        Raises:
            ServingError: If its revision is not the next one.
        """

        def append(connection: sa.Connection) -> None:
            last = connection.execute(
                sa.select(sa.func.max(deployments.c.revision)).where(
                    deployments.c.problem == deployment.problem
                )
            ).scalar()
            expected = (last or 0) + 1
            if deployment.revision != expected:
                message = (
                    f"The next deployment of {deployment.problem!r} is revision {expected}; found "
                    f"{deployment.revision}. Decide again from the present state."
                )
                raise ServingError(message)
            connection.execute(sa.insert(deployments).values(asdict(deployment)))

        self.state.write(append)

    def history(self, problem: str) -> list[Deployment]:
        """Return all deployments of ``problem``, oldest first."""
        columns = [deployments.c[field.name] for field in fields(Deployment)]
        query = (
            sa.select(*columns)
            .where(deployments.c.problem == problem)
            .order_by(deployments.c.revision)
        )
        with self.state.read() as connection:
            return fetch(connection, query, Deployment)
