"""The declared problems, as the command line and the tests read them."""

import importlib
from pathlib import Path
from types import ModuleType

import dagster as dg

from ml_assets.components.ml_problem import MLProblemComponent
from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.storage.declared import DeclaredProblem


def declared_problems(module: ModuleType | None = None) -> dict[str, DeclaredProblem]:
    """Return all problems of a ``defs`` package, by name.

    Args:
        module: The package whose folders declare problems; ``ml_assets.defs`` by default.
    """
    package = module or importlib.import_module("ml_assets.defs")
    root = Path(str(package.__file__)).parents[len(package.__name__.split("."))]
    tree = dg.ComponentTree.from_module(defs_module=package, project_root=root)
    components = tree.get_all_components(MLProblemComponent)
    return {found.declared.problem.name: found.declared for found in components}


def declared_problem(name: str, module: ModuleType | None = None) -> DeclaredProblem:
    """Return one problem by name.

    Raises:
        DeclarationError: If there is none of that name.
    """
    problems = declared_problems(module)
    if name not in problems:
        message = f"There is no problem {name!r}. {nearest(name, problems)}"
        raise DeclarationError(message)
    return problems[name]
