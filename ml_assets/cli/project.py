"""The project a command runs in: its root, its workspace and its Dagster instance."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.errors import DeclarationError
from ml_assets.resources.workspace import WorkspaceResource
from ml_assets.storage.workspace import Workspace

QUIET = {"BENTOML_DO_NOT_TRACK": "True", "WHYLOGS_NO_ANALYTICS": "1"}


def project_root(start: Path) -> Path:
    """Return the nearest folder, from ``start`` upwards, that holds a dg project.

    Raises:
        DeclarationError: If there is none.
    """
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file() and "dg" in tomllib.loads(path.read_text("utf-8")).get("tool", {}):
            return folder
    message = (
        f"No project was found in {start} or above: no pyproject.toml with a [tool.dg] table. "
        "Change to the project's folder first."
    )
    raise DeclarationError(message)


def enter_project() -> Path:
    """Make the project's root the working folder and set what its processes need."""
    root = project_root(Path.cwd())
    os.chdir(root)
    for name, value in {**QUIET, "DAGSTER_HOME": str(root)}.items():
        os.environ.setdefault(name, value)
    return root


def open_workspace() -> Workspace:
    """Return the workspace that the environment names."""
    resource = WorkspaceResource.from_environment()
    return Workspace(Path(resource.home), lake_url=resource.lake_url, state_url=resource.state_url)


@contextmanager
def open_runner(problem: str) -> Iterator[ProblemRunner]:
    """Open a problem with the project's workspace and Dagster instance."""
    with dg.DagsterInstance.get() as instance:
        yield ProblemRunner(declared_problem(problem), open_workspace(), instance)
