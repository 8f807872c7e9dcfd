"""What a release says of rows whose features are known: the server's answer and the batch's."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ml_assets.core.assurance import AssuredRows
from ml_assets.core.assurer import Assurer
from ml_assets.core.errors import DataError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.found_features import spans
from ml_assets.core.online_model import load_model
from ml_assets.core.release import Release
from ml_assets.core.request_rows import FLOATS, MAX_FAULTS, Fault, Refused


class Answers(msgspec.Struct, frozen=True):
    """What the model says of each row of a request, in the request's order.

    Attributes:
        predictions: Predicted numbers or classes, as plain Python values.
        probabilities: One list a row, in the order of ``classes``; None without probabilities.
        classes: Names of the classes; empty for a regression.
        inputs: The model's inputs; requests that were answered together share them.
        first: Which row of them is the request's first.
        beside: What is said beside the predictions; None if the release knows nothing of it.
    """

    predictions: list[Any]
    probabilities: list[list[float]] | None
    classes: tuple[Any, ...]
    inputs: FeatureValues
    first: int = 0
    beside: AssuredRows | None = None

    @property
    def features(self) -> FeatureValues:
        """The model's inputs, one row a request row."""
        rows = len(self.predictions)
        if len(self.inputs) == rows:
            return self.inputs
        return self.inputs.rows(slice(self.first, self.first + rows))


class Answering:
    """The model of a release, and what is said beside its predictions. For one thread at a time.

    Args:
        release: What the release says of itself.
        files: Content of each file of the verified release, by its name.

    Attributes:
        assurer: Says what stands beside the predictions; None if the release knows nothing of it.

    Raises:
        ArtefactError: If the model names a type that is not trusted.
    """

    def __init__(self, release: Release, files: Mapping[str, bytes]) -> None:
        self._release = release
        self._model = load_model(files, release.task)
        self.assurer = Assurer.of_files(files, release.classes)

    def ask(self, inputs: FeatureValues, lengths: list[int]) -> Sequence[Answers | Refused]:
        """Ask the model once for the rows of several requests."""
        if not lengths:
            return []
        answers = self._answers(inputs, lengths)
        if not isinstance(answers, Refused):
            return answers
        if len(lengths) == 1:
            return [answers]
        # The rows of one request must not fail those of another: the refused ones are found by
        # halves, for a batch is as many requests as it has rows.
        half = len(lengths) // 2
        first = sum(lengths[:half])
        return [
            *self.ask(inputs.rows(slice(None, first)), lengths[:half]),
            *self.ask(inputs.rows(slice(first, None)), lengths[half:]),
        ]

    def _answers(self, inputs: FeatureValues, lengths: list[int]) -> list[Answers] | Refused:
        """Return the answer to each request, or why at least one of them has none."""
        wide = np.abs(inputs.numbers) > FLOATS[1]
        if wide.any():
            return self._too_large(wide)
        try:
            found = self._model.predict(inputs)
        except DataError as error:
            return Refused(422, (Fault(None, None, "features", str(error)),))
        numbers = found.values if self._release.task == "regression" else found.probabilities
        if numbers is not None and not np.isfinite(numbers).all():
            message = "The model gives no finite number: a value is far outside what it has seen."
            return Refused(422, (Fault(None, None, "prediction", message),))
        told, beside = found, None
        if self.assurer is not None:
            strange = self.assurer.unfamiliar(inputs)
            rejected = self.assurer.rejected(strange)
            if rejected is not None:
                if len(lengths) == 1:  # else each is asked again alone
                    self.assurer.unfamiliar_rows += int(np.count_nonzero(rejected))
                return self._unfamiliar(inputs, rejected)
            told = self.assurer.assured(inputs, found, strange)
            beside = told.beside
        values = told.values.tolist()
        shares = None if told.probabilities is None else told.probabilities.tolist()
        return [
            Answers(
                values[span],
                None if shares is None else shares[span],
                found.classes,
                inputs,
                span.start,
                None if beside is None else beside.rows(span.start, span.stop),
            )
            for span in spans(lengths)
        ]

    def _unfamiliar(self, joined: FeatureValues, strange: np.ndarray) -> Refused:
        faults = []
        for row in np.flatnonzero(strange)[:MAX_FAULTS].tolist():
            name = self.assurer.strangest(joined.rows([row])) if self.assurer else None
            message = (
                "The row is far from all that the model was trained on, farthest by feature "
                f"{name!r}, and the problem declares that such rows are rejected."
            )
            faults.append(Fault(row, name, "unfamiliar", message))
        return Refused(422, tuple(faults))

    def _too_large(self, wide: np.ndarray) -> Refused:
        names = self._release.numeric
        faults = tuple(
            Fault(
                int(row),
                names[column],
                "features",
                f"Feature {names[column]!r} is too large for the model.",
            )
            for row, column in np.argwhere(wide)[:MAX_FAULTS]
        )
        return Refused(422, faults)
