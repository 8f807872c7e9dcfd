"""A fitted scikit-learn model behind the interface by which a release asks its model."""

import pandas as pd

from ml_assets.core.feature_rows import as_texts
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.metrics import Predictions
from ml_assets.core.problem import Task
from ml_assets.core.training import predict
from ml_assets.core.trusted_types import construct


class FittedModel:
    """A model that needs scikit-learn to answer.

    Args:
        content: Content of ``model.skops``.
        task: What it predicts.

    Raises:
        ArtefactError: If it names a type that is not trusted. Nothing has been constructed then.
    """

    def __init__(self, content: bytes, task: Task) -> None:
        self._model = construct(content)
        self._task: Task = task

    def predict(self, inputs: FeatureValues) -> Predictions:
        """Return the answers to rows whose features are known."""
        # Texts pass through what training's texts passed through: it decides how a gap looks.
        columns = {name: pd.Series(inputs[name]) for name in inputs.names}
        frame = pd.DataFrame(
            {
                name: as_texts(column) if column.dtype == object else column
                for name, column in columns.items()
            }
        )
        return predict(self._model, frame, self._task)
