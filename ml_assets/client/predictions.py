"""What a server answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ml_assets.client.errors import ClientError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        request_id: Name of the request, by which feedback is given.
        versions: For each row the version of the model that answered it.
        revision: Revision of the deployment; 0 where the server's packed release answers.
        predictions: One a row, in the order of the rows.
        probabilities: For each row the probability of each class; None for numbers.
        intervals: For each row the bounds that its truth lies between; None if none are given.
        sets: For each row the classes that its truth is among; None if none are given.
        unfamiliar: For each row whether it is far from the training rows; None if nobody looked.
        intervention: Name of what corrects the model at the moment; None if nothing does.
    """

    request_id: str
    versions: tuple[str, ...]
    revision: int
    predictions: tuple[Any, ...]
    probabilities: tuple[Mapping[str, float], ...] | None
    intervals: tuple[tuple[float, float], ...] | None = None
    sets: tuple[tuple[Any, ...], ...] | None = None
    unfamiliar: tuple[bool, ...] | None = None
    intervention: str | None = None


@dataclass(frozen=True)
class Predictions(Sequence[Any]):
    """The predictions of one call, which may have taken several requests.

    Attributes:
        answers: The answer to each request, in the order of the rows.
    """

    answers: tuple[Answer, ...]

    @property
    def predictions(self) -> tuple[Any, ...]:
        """One prediction a row, in the order of the rows."""
        return tuple(value for answer in self.answers for value in answer.predictions)

    @property
    def probabilities(self) -> tuple[Mapping[str, float], ...] | None:
        """For each row the probability of each class; None for numbers."""
        found = [answer.probabilities for answer in self.answers]
        return tuple(row for rows in found for row in rows or ()) if all(found) else None

    @property
    def intervals(self) -> tuple[tuple[float, float], ...] | None:
        """For each row the bounds that its truth lies between; None if some answer has none."""
        found = [answer.intervals for answer in self.answers]
        return tuple(row for rows in found for row in rows or ()) if all(found) else None

    @property
    def sets(self) -> tuple[tuple[Any, ...], ...] | None:
        """For each row the classes that its truth is among; None if some answer has none."""
        found = [answer.sets for answer in self.answers]
        return tuple(row for rows in found for row in rows or ()) if all(found) else None

    @property
    def version(self) -> str:
        """Version of the model that answered.

        Raises:
            ClientError: If several versions answered: they share traffic, or a promotion came in
                between.
        """
        return self._one("version", self.versions)

    @property
    def versions(self) -> tuple[str, ...]:
        """For each row the version of the model that answered it."""
        return tuple(version for answer in self.answers for version in answer.versions)

    @property
    def request_id(self) -> str:
        """Name of the request.

        Raises:
            ClientError: If the rows were cut into several requests.
        """
        return self._one("request_id", [answer.request_id for answer in self.answers])

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a prediction: ``prediction``, ``probability_<class>`` where there are
        classes, and ``version``, ``revision``, ``request_id`` and ``row`` to give feedback by.
        """  # noqa: D205
        import pandas as pd  # noqa: PLC0415 - whoever asks for a frame has it

        frame = pd.DataFrame({"prediction": list(self.predictions)})
        for name in (self.probabilities or ({},))[0]:
            frame[f"probability_{name}"] = [row[name] for row in self.probabilities or ()]
        if self.intervals is not None:
            frame["low"], frame["high"] = zip(*self.intervals, strict=True)
        rows = [(answer, row) for answer in self.answers for row in range(len(answer.predictions))]
        frame["version"] = list(self.versions)
        frame["revision"] = [answer.revision for answer, _ in rows]
        frame["request_id"] = [answer.request_id for answer, _ in rows]
        frame["row"] = [row for _, row in rows]
        return frame

    def __len__(self) -> int:
        return sum(len(answer.predictions) for answer in self.answers)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.predictions)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401
        return self.predictions[index]

    def _one(self, name: str, found: Sequence[str]) -> str:
        if len(set(found)) == 1:
            return found[0]
        message = f"There are {len(set(found))} of {name!r} in this call: see `answers`."
        raise ClientError(message)


@dataclass(frozen=True)
class ServedRelease:
    """What a server serves.

    Attributes:
        ready: Whether it answers.
        problem: Name of the problem; None until a release is loaded, as are the next four.
        version: Version of the model.
        revision: Revision of the deployment.
        digest: Name of the release's files.
        since: When it began to serve.
        error: Why a newer release is not served; None if all is well.
        traffic: The version beside it and how it takes part; None if there is none.
    """

    ready: bool
    problem: str | None = None
    version: str | None = None
    revision: int | None = None
    digest: str | None = None
    since: datetime | None = None
    error: str | None = None
    traffic: Mapping[str, Any] | None = None
