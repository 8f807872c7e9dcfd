"""Predictions from the files of a release: the one path of the server and of the batch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from ml_assets.core.errors import DataError, FeatureSqlError, ServingError
from ml_assets.core.evaluator import evaluator_of
from ml_assets.core.golden import GoldenRows
from ml_assets.core.online_features import OnlineFeatures, contract_of
from ml_assets.core.release import (
    GOLDEN_FILE,
    RELEASE_FILE,
    Release,
    verify_manifest,
)
from ml_assets.core.request_schema import FLOATS, MAX_FAULTS, Fault, Refused, RequestRows


@dataclass(frozen=True)
class Answers:
    """What the model says of each row of a request, in the request's order.

    Attributes:
        predictions: Predicted numbers or classes, as plain Python values.
        probabilities: One list a row, in the order of ``classes``; None without probabilities.
        classes: Names of the classes; empty for a regression.
        features: The model's inputs, one row a request row.
    """

    predictions: list[Any]
    probabilities: list[list[float]] | None
    classes: tuple[Any, ...]
    features: pd.DataFrame


class Predictor:
    """A release, ready to answer. For one thread at a time.

    Args:
        files: Content of each file of the release, by its name.
        digest: What the release must be called, if that is known.

    Raises:
        ArtefactError: If a file is not what was stored, or the model names a type that is not
            trusted. Nothing has been constructed then.
    """

    def __init__(self, files: Mapping[str, bytes], *, digest: str | None = None) -> None:
        verify_manifest(files, digest=digest)
        self.release = Release.from_json(json.loads(files[RELEASE_FILE]))
        self.contract = contract_of(files)
        self.schema = self.release.schema(self.contract)
        self.golden = GoldenRows.from_json(files[GOLDEN_FILE])
        self._model = evaluator_of(files, self.release.task)
        self.features = OnlineFeatures.of_files(self.release, files)

    def decode(self, body: bytes, *, now: datetime) -> RequestRows | Refused:
        """Return the rows of a request's body; see :class:`RequestSchema`."""
        return self.schema.decode(body, now=now)

    def predict(self, rows: RequestRows, *, remember: bool = True) -> Answers | Refused:
        """Return the answer to each row, or why these rows have none.

        Args:
            rows: Decoded rows of a request.
            remember: Whether later requests see the rows as history.
        """
        try:
            found = self.features.compute(rows, remember=remember)
        except FeatureSqlError:
            # The golden rows have shown that the SQL runs: these values are the cause. The
            # engine's text is left out, for it may name values of other rows.
            message = "The features of these rows cannot be computed: a value leads out of range."
            return Refused(422, (Fault(None, None, "features", message),))
        inputs = self._in_order(rows, found.frame)
        return inputs if isinstance(inputs, Refused) else self.ask(inputs)

    def ask(self, inputs: pd.DataFrame) -> Answers | Refused:
        """Return what the model says of rows whose features are known.

        Args:
            inputs: The columns ``release.inputs``, in this order.
        """
        faults = self._out_of_range(inputs)
        if faults:
            return Refused(422, faults)
        try:
            predictions = self._model.predict(inputs)
        except DataError as error:
            return Refused(422, (Fault(None, None, "features", str(error)),))
        regression = self.release.task == "regression"
        values, probabilities = predictions.values, predictions.probabilities
        numbers = values if regression else probabilities
        if numbers is not None and not np.isfinite(numbers).all():
            message = "The model gives no finite number: a value is far outside what it has seen."
            return Refused(422, (Fault(None, None, "prediction", message),))
        return Answers(
            values.tolist(),
            None if probabilities is None else probabilities.tolist(),
            predictions.classes,
            inputs,
        )

    def prove(self) -> None:
        """Ask the golden rows, one by one and together, and leave no trace of them.

        Raises:
            ServingError: If an answer is not the expected one.
        """
        golden = self.golden
        for n, row in enumerate(golden.rows):
            self._prove((row,), first=n)
        for start in range(0, len(golden.rows), self.release.max_rows):
            self._prove(golden.rows[start : start + self.release.max_rows], first=start)

    def adopt(self, older: "Predictor") -> None:
        """Take over the recent rows that an older release was asked about."""
        self.features.adopt(older.features)

    def close(self) -> None:
        """Free the memory of the history."""
        self.features.close()

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

    def _in_order(self, rows: RequestRows, frame: pd.DataFrame) -> pd.DataFrame | Refused:
        """Bring features into the order of the request."""
        missing = [name for name in self.release.inputs if name not in frame.columns]
        if missing:
            message = (
                f"features.sql does not give the model's inputs {missing}: rebuild the release."
            )
            raise ServingError(message)
        identity = [*self.release.keys, "event_time"]
        place = {
            name: n
            for n, name in enumerate(zip(*(frame[c].tolist() for c in identity), strict=True))
        }
        asked = rows.identities(self.release.keys)
        absent = [position for position, name in enumerate(asked) if name not in place]
        if absent:
            text = "features.sql leaves this row out, so the model has nothing to say of it."
            faults = [Fault(n, None, "features", text) for n in absent[:MAX_FAULTS]]
            return Refused(422, tuple(faults))
        order = [place[name] for name in asked]
        return frame[list(self.release.inputs)].take(order).reset_index(drop=True)

    def _out_of_range(self, inputs: pd.DataFrame) -> tuple[Fault, ...]:
        numbers = inputs[list(self.release.numeric)].to_numpy(dtype=np.float64)
        wide = np.argwhere(np.abs(numbers) > FLOATS[1])[:MAX_FAULTS]
        return tuple(
            Fault(
                int(row),
                self.release.numeric[column],
                "features",
                f"Feature {self.release.numeric[column]!r} is too large for the model.",
            )
            for row, column in wide
        )
