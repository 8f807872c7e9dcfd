"""From the name of an estimator's class to an estimator, with errors that say what was meant."""

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from sklearn.base import is_classifier, is_regressor

from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.problem import Candidate, Task


def check_candidate(candidate: Candidate, task: Task) -> None:
    """Raise what would fail later in training because of the declaration.

    Raises:
        DeclarationError: If the class is missing or unfit for the task, a parameter (fixed or
            searched) is not one of the class, or the target is transformed without being a number.
    """
    made = instantiate(candidate.estimator, candidate.params, seed=0)
    _check_parameters(type(made), candidate.search, candidate.estimator)
    if candidate.target_transform != "none" and task != "regression":
        message = (
            f"Candidate {candidate.name!r} transforms its target ({candidate.target_transform}), "
            f"but the task is {task}. Remove target_transform."
        )
        raise DeclarationError(message)
    if task == "regression":
        fits = not is_classifier(made)
        expected = "a regressor"
    else:
        answers = hasattr(made, "predict_proba") or hasattr(made, "decision_function")
        fits = answers and not is_regressor(made)
        expected = "a classifier with predict_proba or decision_function"
    if not fits:
        message = (
            f"Candidate {candidate.name!r} cannot do {task}: {candidate.estimator} with these "
            f"parameters is not {expected}."
        )
        raise DeclarationError(message)


def instantiate(path: str, params: Mapping[str, Any], *, seed: int) -> Any:  # noqa: ANN401
    """Return an estimator, not fitted, that gives the same model for the same data and seed.

    Beyond ``params``, it is given the seed and one job; and 'auto' early stopping is turned off,
    since it judges on rows drawn at random, across time.

    Args:
        path: Import path of the class.
        params: Its parameters as declared.
        seed: Of everything random in it, unless it is declared.

    Raises:
        DeclarationError: If the class or a parameter does not exist.
    """
    found = estimator_class(path)
    _check_parameters(found, params, path)
    valid = _parameters(found)
    chosen: dict[str, Any] = {}
    if "random_state" in valid:
        chosen["random_state"] = seed
    # scikit-learn's own default is one job, and some of its classes warn if it is set.
    if "n_jobs" in valid and not path.startswith("sklearn."):
        chosen["n_jobs"] = 1
    if "early_stopping" in valid and valid["early_stopping"].default == "auto":
        chosen["early_stopping"] = False
    return found(**{**chosen, **params})


def estimator_class(path: str) -> type:
    """Import a class with scikit-learn's interface.

    Raises:
        DeclarationError: If it cannot be imported, or has no fit and predict.

    Example:
        >>> estimator_class("sklearn.linear_model.Rigde")
        Traceback (most recent call last):
        ...
        ml_assets.core.errors.DeclarationError: There is no 'Rigde' in sklearn.linear_model. Did \
you mean 'Ridge'?
    """
    module_name, _, name = path.rpartition(".")
    module = _module(module_name)
    found = getattr(module, name, None)
    if found is None:
        message = f"There is no {name!r} in {module_name}. {nearest(name, _classes(module))}"
        raise DeclarationError(message)
    if not (isinstance(found, type) and hasattr(found, "fit") and hasattr(found, "predict")):
        message = f"{path} is not an estimator: a class with the methods fit and predict is needed."
        raise DeclarationError(message)
    return found


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it imports is not
        parent, _, missing = error.name.rpartition(".")
        message = f"There is no module {error.name!r}."
        if parent:
            siblings = [found.name for found in pkgutil.iter_modules(_module(parent).__path__)]
            message += f" {nearest(missing, siblings)}"
        else:
            message += " Install the package that holds it, or correct the path."
        raise DeclarationError(message) from error


def _classes(module: ModuleType) -> list[str]:
    return [name for name, found in vars(module).items() if isinstance(found, type)]


def _parameters(found: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(found).parameters


def _check_parameters(found: type, names: Mapping[str, Any], path: str) -> None:
    valid = _parameters(found)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in valid.values()):
        return  # such classes check their parameters themselves
    for name in names:
        if name not in valid:
            message = f"{path} has no parameter {name!r}. {nearest(name, valid)}"
            raise DeclarationError(message)
