"""Predictions from the files of a release: the one path of the server and of the batch."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from ml_assets.core.assurance import AssuredRows
from ml_assets.core.assurer import Assurer
from ml_assets.core.errors import DataError, ServingError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.found_features import FoundFeatures, spans
from ml_assets.core.golden import GoldenRows
from ml_assets.core.online_features import OnlineFeatures, contract_of
from ml_assets.core.online_model import load_model
from ml_assets.core.release import (
    COMPILED_FILE,
    GOLDEN_FILE,
    RELEASE_FILE,
    Release,
    verify_manifest,
)
from ml_assets.core.request_rows import FLOATS, MAX_FAULTS, Fault, Refused, RequestRows
from ml_assets.core.request_schema import BodyKind


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


class Predictor:
    """A release, ready to answer. For one thread at a time.

    Args:
        files: Content of each file of the release, by its name.
        digest: What the release must be called, if that is known.

    Attributes:
        compiled: Whether numpy alone evaluates the model; else scikit-learn does.

    Raises:
        ArtefactError: If a file is not what was stored, or the model names a type that is not
            trusted. Nothing has been constructed then.
        FeatureSqlError: If features.sql cannot be run over the release's tables.
    """

    def __init__(self, files: Mapping[str, bytes], *, digest: str | None = None) -> None:
        verify_manifest(files, digest=digest)
        self.release = Release.from_json(json.loads(files[RELEASE_FILE]))
        self.contract = contract_of(files)
        self.schema = self.release.schema(self.contract)
        self.golden = GoldenRows.from_json(files[GOLDEN_FILE])
        self.compiled = COMPILED_FILE in files
        self._model = load_model(files, self.release.task)
        self.assurer = Assurer.of_files(files, self.release.classes)
        self.features = OnlineFeatures.of_files(self.release, files)

    def decode(
        self, body: bytes, *, now: datetime, kind: BodyKind = "json"
    ) -> RequestRows | Refused:
        """Return the rows of a request's body; see :class:`RequestSchema`."""
        return self.schema.decode(body, now=now, kind=kind)

    def predict(self, rows: RequestRows, *, remember: bool = True) -> Answers | Refused:
        """Return the answer to each row, or why these rows have none.

        Args:
            rows: Decoded rows of a request.
            remember: Whether later requests see the rows as history.
        """
        return self.predict_all([rows], remember=remember)[0]

    def predict_all(
        self, requests: Sequence[RequestRows], *, remember: bool = True
    ) -> list[Answers | Refused]:
        """Answer requests at once, each as if they came one after the other.

        Args:
            requests: Decoded rows of each request.
            remember: Whether later requests see the rows as history.
        """
        return self.features.compute(requests, self._answered, remember=remember)

    def prove(self) -> None:
        """Ask the golden rows, one by one and together, and leave no trace of them.

        Raises:
            ServingError: If an answer is not the expected one.
        """
        golden = self.golden
        # The model itself is proven, not what is made of what it says.
        assurer, self.assurer = self.assurer, None
        try:
            for n, row in enumerate(golden.rows):
                self._prove((row,), first=n)
            for start in range(0, len(golden.rows), self.release.max_rows):
                self._prove(golden.rows[start : start + self.release.max_rows], first=start)
        finally:
            self.assurer = assurer

    def close(self) -> None:
        """Free the memory of the history."""
        self.features.close()

    def _answered(self, found: FoundFeatures) -> list[Answers | Refused]:
        answers = iter(self._ask(found.values, found.lengths))
        return [one if isinstance(one, Refused) else next(answers) for one in found.outcomes]

    def _ask(self, inputs: FeatureValues, lengths: list[int]) -> Sequence[Answers | Refused]:
        """Ask the model once for the rows of several requests."""
        if not lengths:
            return []
        answers = self._answers(inputs, lengths)
        if not isinstance(answers, Refused):
            return answers
        if len(lengths) == 1:
            return [answers]
        # The rows of one request must not fail those of another.
        return [
            answer
            for span, length in zip(spans(lengths), lengths, strict=True)
            for answer in self._ask(inputs.rows(span), [length])
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
        numbers = found.values if self.release.task == "regression" else found.probabilities
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

    def _prove(self, rows: tuple[dict[str, Any], ...], *, first: int) -> None:
        body = json.dumps({"rows": rows}).encode()
        decoded = self.decode(body, now=datetime.min.replace(tzinfo=UTC))
        answers = decoded if isinstance(decoded, Refused) else self.predict(decoded, remember=False)
        match answers:
            case Refused(faults=faults):
                found = f"golden row {first} is refused: {faults[0].message}"
            case Answers(predictions=predictions, probabilities=probabilities):
                found = self.golden.difference(predictions, probabilities, first=first)
        if found:
            message = (
                f"Release {self.release.version} of {self.release.problem!r} does not answer as "
                f"the batch did: {found}. It must not serve; build it again."
            )
            raise ServingError(message)

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
        names = self.release.numeric
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
