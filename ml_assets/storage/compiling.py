"""Whether a fitted model may be served compiled: it must compile, and be equal on its rows."""

from typing import Any

from ml_assets.core.compiled import CompiledModel, NotCompilable, compile_model
from ml_assets.core.compiled.proof import difference
from ml_assets.core.problem.learning import Task
from ml_assets.core.training_set import TrainingSet

_SEED = 0  # of the proof's draws: a release of the same model is the same


def compiled_or_reason(model: Any, rows: TrainingSet, task: Task) -> CompiledModel | str:  # noqa: ANN401
    """Return the compiled model, or what evaluates instead and why.

    What is returned has been written to a file and read again, so the file itself is proven.

    Args:
        model: Fitted.
        rows: What it was fitted on.
        task: Of the problem.
    """
    inputs = rows.inputs
    try:
        made = compile_model(
            model,
            task=task,
            numeric=rows.numeric,
            categorical=rows.categorical,
            inputs=tuple(inputs.columns),
        )
        compiled = CompiledModel.from_bytes(made.to_bytes())
        found = difference(compiled, model, inputs, task, seed=_SEED)
    except NotCompilable as error:
        return f"scikit-learn ({error})"
    except Exception as error:
        # scikit-learn's private attributes may change in any way. The model is whole without them,
        # so it is served; the reason is in the release, and `ml-assets status` says it.
        return f"scikit-learn (compiling failed: {type(error).__name__}: {error})"
    return compiled if found is None else f"scikit-learn (compiled, it differs on {found})"
