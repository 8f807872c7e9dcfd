"""A project of its own with one wrong declaration."""

import shutil
from pathlib import Path

import pytest

import ml_assets.defs

PLANT = Path(str(ml_assets.defs.__file__)).parent / "plant"
PYPROJECT = """
[project]
name = "shop"
version = "0"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
registry_modules = ["ml_assets.components"]

[tool.dg.cli]
telemetry.enabled = false
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg
from dagster_duckdb import DuckDBResource

from ml_assets.resources.workspace import WorkspaceResource


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(
            resources={
                "workspace": WorkspaceResource.from_environment(),
                "duckdb": DuckDBResource(database=":memory:"),
            }
        ),
    )
"""


@pytest.fixture
def project(tmp_path):
    """Return a function that writes a project and makes mistakes in its declaration.

    It takes texts and what is written in their place. It returns the project's folder, its
    package's name and the line of each mistake.
    """

    def written(*mistakes):
        root, package = tmp_path / "project", f"shop_{tmp_path.name}"  # imported once a process
        folder = root / package / "defs" / "plant"
        shutil.copytree(PLANT, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "pyproject.toml").write_text(PYPROJECT.replace("shop", package))
        (root / package / "definitions.py").write_text(DEFINITIONS)
        for module in (root / package, root / package / "defs"):
            (module / "__init__.py").touch()
        text = (folder / "defs.yaml").read_text()
        lines = []
        for right, wrong in mistakes:
            assert right in text
            lines.append(text[: text.index(right)].count("\n") + 1)
            text = text.replace(right, wrong, 1)
        (folder / "defs.yaml").write_text(text)
        return root, package, lines

    return written
