"""Problems ready to run, each in a workspace of its own."""

import importlib
from dataclasses import replace

import dagster as dg
import pytest

from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem, declared_problems
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.real_data import DATA


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def plant(tmp_path, instance):
    """The embedded problem, with fewer rigs."""
    declared = declared_problem("plant")
    return ProblemRunner(declared, Workspace(tmp_path), instance)


@pytest.fixture
def real_problem(tmp_path, instance):
    """Return a function that opens one of the problems over real tables."""

    def opened(name, **changes):
        if not (DATA / name).is_dir():
            pytest.skip(f"The real tables are not in {DATA}: set ML_ASSETS_DATA_DIR.")
        declared = declared_problems(importlib.import_module("ml_assets_tests.problems"))[name]
        problem = declared.problem.model_copy(update=changes)
        return ProblemRunner(replace(declared, problem=problem), Workspace(tmp_path), instance)

    return opened
