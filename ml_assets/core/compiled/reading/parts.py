"""What the readers of fitted objects give to each other."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ml_assets.core.compiled import layout
from ml_assets.core.errors import NotCompilable


@dataclass(frozen=True)
class EstimatorParts:
    """A fitted estimator as parts of a header and arrays.

    Attributes:
        steps: What it does to its matrix first.
        classes: Of a classifier; empty for a regression.
    """

    estimator: layout.Estimator
    link: layout.Link
    rule: layout.Rule
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    steps: tuple[layout.Step, ...] = ()
    classes: tuple[Any, ...] = ()


def name_of(fitted: Any) -> str:  # noqa: ANN401
    """Return the name of an object's class."""
    return type(fitted).__name__


def numbers_of(values: Any, what: str) -> list[float]:  # noqa: ANN401
    """Return finite floats.

    Raises:
        NotCompilable: If one is not finite, or not a double.
    """
    found = np.asarray(values)
    if found.dtype != np.float64 or not np.isfinite(found).all():
        message = f"{what} holds numbers that are not finite doubles"
        raise NotCompilable(message)
    return found.ravel().tolist()


def plain_classes(classes: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Return a classifier's classes as plain values of one kind.

    Raises:
        NotCompilable: If they are something else.
    """
    plain = tuple(np.asarray(classes).tolist())
    kinds = {type(one) for one in plain}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        message = "its classes are not all truth values, integers, floats or texts"
        raise NotCompilable(message)
    return plain
