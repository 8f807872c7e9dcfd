"""Fitted models as arrays that numpy alone evaluates, equal to scikit-learn's own answers.

Evaluation imports neither scikit-learn nor pandas; only ``compile_model`` does, when it is called.
"""

from collections.abc import Sequence
from typing import Any

from ml_assets.core.compiled.model import Answer, CompiledModel
from ml_assets.core.errors import NotCompilable
from ml_assets.core.problem.learning import Task

__all__ = ["Answer", "CompiledModel", "NotCompilable", "compile_model"]


def compile_model(
    model: Any,  # noqa: ANN401 - scikit-learn has no type for "an estimator"
    *,
    task: Task,
    numeric: Sequence[str],
    categorical: Sequence[str] = (),
    inputs: Sequence[str] | None = None,
) -> CompiledModel:
    """Return a fitted pipeline, or one of the project's rules without learning, as arrays.

    Args:
        model: Fitted on a frame with these inputs.
        task: Of the problem.
        numeric: Inputs of float64, NaN where missing.
        categorical: Inputs of text, None where missing.
        inputs: All columns that the model is given, in order: those and then further ones.

    Raises:
        NotCompilable: With the reason, if a part of the model is of no kind that is known here.
    """
    from ml_assets.core.compiled.reading.whole import read_model  # noqa: PLC0415

    whole = tuple(inputs) if inputs is not None else (*numeric, *categorical)
    return read_model(model, task=task, numeric=numeric, categorical=categorical, inputs=whole)
