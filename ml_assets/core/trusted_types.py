"""The only types a model file may name beyond those that skops trusts by itself.

skops writes a model as data and the names of its types. Before anything is constructed, these
names are compared with the list below. The list lives in code, never beside the model.
"""

from typing import Any
from zipfile import BadZipFile

from ml_assets.core.errors import ArtefactError

TRUSTED_TYPES = frozenset(
    {
        # The target transform of a candidate, and the kinds of a fitted table's columns.
        "numpy.dtype",
        "numpy.expm1",
        "numpy.log1p",
        # Rules without learning.
        "ml_assets.core.baselines.PastLabelClassifier",
        "ml_assets.core.baselines.PastLabelRegressor",
        "ml_assets.core.baselines.TypicalClassifier",
        "ml_assets.core.baselines.TypicalRegressor",
        # What scikit-learn's estimators hold: numbers behind a class, no code of their own.
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)


def refuse_untrusted(model: bytes) -> list[str]:
    """Return the types in a model file that skops must be told to trust, all of them listed.

    Args:
        model: A file that skops wrote.

    Raises:
        ArtefactError: If the file is no model, or names a type that is not on the list. Nothing
            of it has been constructed then.
    """
    import skops.io  # noqa: PLC0415 - it takes a second, which only loading a model needs

    try:
        named = skops.io.get_untrusted_types(data=model)
    except (ValueError, KeyError, OSError, BadZipFile) as error:
        message = f"The model file cannot be read ({error}). Write it with model_files.save."
        raise ArtefactError(message) from error
    foreign = sorted(set(named) - TRUSTED_TYPES)
    if foreign:
        message = (
            f"The model file names types that are not trusted: {foreign}. Nothing was loaded. "
            "If they hold no code of their own, add them to core/trusted_types.py."
        )
        raise ArtefactError(message)
    return named


def construct(model: bytes) -> Any:  # noqa: ANN401
    """Return the estimator in a model file, after all its types were found on the list.

    Raises:
        ArtefactError: As ``refuse_untrusted`` does.
    """
    import skops.io  # noqa: PLC0415

    return skops.io.loads(model, trusted=refuse_untrusted(model))
