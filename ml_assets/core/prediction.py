"""Predictions from the files of a release for rows that come as requests."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ml_assets.core.answering import Answering, Answers
from ml_assets.core.assurer import Assurer
from ml_assets.core.errors import ServingError
from ml_assets.core.found_features import FoundFeatures
from ml_assets.core.golden import GoldenRows
from ml_assets.core.online_features import OnlineFeatures, contract_of
from ml_assets.core.release import (
    COMPILED_FILE,
    GOLDEN_FILE,
    RELEASE_FILE,
    Release,
    verify_manifest,
)
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import BodyKind


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
        self._answering = Answering(self.release, files)
        self.features = OnlineFeatures.of_files(self.release, files)

    @property
    def assurer(self) -> Assurer | None:
        """What stands beside the predictions; None if the release knows nothing of it."""
        return self._answering.assurer

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
        answering = self._answering
        assurer, answering.assurer = answering.assurer, None
        try:
            for n, row in enumerate(golden.rows):
                self._prove((row,), first=n)
            for start in range(0, len(golden.rows), self.release.max_rows):
                self._prove(golden.rows[start : start + self.release.max_rows], first=start)
        finally:
            answering.assurer = assurer

    def close(self) -> None:
        """Free the memory of the history."""
        self.features.close()

    def _answered(self, found: FoundFeatures) -> list[Answers | Refused]:
        answers = iter(self._answering.ask(found.values, found.lengths))
        return [one if isinstance(one, Refused) else next(answers) for one in found.outcomes]

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
