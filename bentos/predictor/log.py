"""The prediction log: what was asked and answered, on disk before the answer leaves.

A segment is a file that one process appends to during one hour:
``<spool>/<problem>/<version>/<YYYY-MM-DD>/<HH>/<pid>-<uuid>.jsonl`` holds a line of JSON for each
row. Where one of the requests that are answered together has many rows, all of them are records of
a segment ``.records`` instead (:mod:`ml_assets.core.log_records`). Requests that are answered
together are one ``write`` to a file opened for appending: once it returns, killing the process
loses nothing.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import msgspec

from ml_assets.core.answering import Answers
from ml_assets.core.assurance import AssuredRows
from ml_assets.core.contract import Kind
from ml_assets.core.errors import ServingError, SpoolError
from ml_assets.core.log_records import record_bytes
from ml_assets.core.request_rows import RequestRows

Form = Literal["jsonl", "records"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ENCODER = msgspec.json.Encoder()


# Structures are made and written several times as fast as dictionaries, and hold no cycles that
# the collector would have to look for.
class _Line(msgspec.Struct, gc=False):
    """One line of the log."""

    request_id: str
    at: datetime
    version: str
    revision: int
    row: int
    event_time: datetime
    inputs: msgspec.Struct
    features: msgspec.Struct
    prediction: Any
    probabilities: dict[str, float] | None


class _AssuredLine(_Line, gc=False, omit_defaults=True):
    """One line where the release says more; what is not said does not stand there."""

    low: float | None = None
    high: float | None = None
    prediction_set: list[Any] | None = None
    unfamiliar: bool | None = None
    raw: Any = None
    raw_probabilities: dict[str, float] | None = None
    intervention: str | None = None


class PredictionLog:
    """Appends what was asked and answered. For one thread at a time.

    Args:
        spool: Folder of all problems' logs.
        problem: Name of the problem.
    """

    def __init__(self, spool: Path, problem: str) -> None:
        self.folder = spool / _checked(problem)
        self._name = f"{os.getpid()}-{uuid4().hex}"
        self._place: tuple[str, datetime] | None = None
        self._segments: dict[Form, tuple[Path, int]] = {}

    def append(self, content: bytes, *, version: str, at: datetime, form: Form = "jsonl") -> None:
        """Write what was said to requests that were answered together.

        Args:
            content: Lines or records.
            version: Version that answered.
            at: When it answered; its hour names the segment.
            form: Which of the two.

        Raises:
            SpoolError: If the disk did not take all of it. Nothing of it is left then.
        """
        segment, handle = self._open(version, at.astimezone(UTC), form)
        try:
            written = os.write(handle, content)
        except OSError as error:
            written, reason = 0, str(error)
        else:
            reason = f"{written} of {len(content)} bytes were written"
        if written < len(content):
            os.ftruncate(handle, os.fstat(handle).st_size - written)
            message = (
                f"The prediction log {segment} cannot be written ({reason}). "
                "Free some disk space: nothing is answered that is not logged."
            )
            raise SpoolError(message)

    def close(self) -> None:
        """End the segments."""
        for _, handle in self._segments.values():
            os.close(handle)
        self._segments, self._place = {}, None

    def _open(self, version: str, at: datetime, form: Form) -> tuple[Path, int]:
        place = (version, at.replace(minute=0, second=0, microsecond=0))
        if place != self._place:
            self.close()
            self._place = place
        if form not in self._segments:
            folder = self.folder / _checked(version) / f"{at:%Y-%m-%d}" / f"{at:%H}"
            segment = folder / f"{self._name}.{form}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._segments[form] = segment, os.open(segment, flags, 0o644)
            except OSError as error:
                message = f"The prediction log {segment} cannot be opened ({error})."
                raise SpoolError(message) from error
        return self._segments[form]


class Logged(msgspec.Struct, frozen=True, eq=False):
    """One request that was answered.

    Attributes:
        request_id: Its name.
        rows: What was asked.
        answers: What was answered.
    """

    request_id: str
    rows: RequestRows
    answers: Answers


def log_lines(requests: Sequence[Logged], *, version: str, revision: int, at: datetime) -> bytes:
    """Return one line of JSON for each row of some requests.

    Args:
        requests: What was asked and answered.
        version: Version that answered.
        revision: Revision of the deployment; 0 where the packed release serves.
        at: When it answered.
    """
    lines: list[_Line] = []
    features: dict[int, list[msgspec.Struct]] = {}
    for request in requests:
        rows, answers = request.rows, request.answers
        inputs = answers.inputs
        beside = () if answers.beside is None else _beside(answers, answers.beside)
        # Requests that were answered together share their inputs.
        given = features.get(id(inputs))
        if given is None:
            given = _records(inputs.names, inputs.columns(), len(inputs))
            features[id(inputs)] = given
        lines.extend(
            map(
                _AssuredLine if beside else _Line,
                repeat(request.request_id),
                repeat(at),
                repeat(version),
                repeat(revision),
                range(len(rows)),
                rows.event_times,
                _records(tuple(rows.columns), list(rows.columns.values()), len(rows)),
                given[answers.first : answers.first + len(rows)],
                answers.predictions,
                named_probabilities(answers) or repeat(None),
                *beside,
            )
        )
    return _ENCODER.encode_lines(lines)


def log_records(
    requests: Sequence[Logged],
    *,
    kinds: Mapping[str, Kind],
    version: str,
    revision: int,
    at: datetime,
) -> bytes:
    """Return one record for each of some requests.

    Args:
        requests: What was asked and answered.
        kinds: Kind of each column of a request; ``event_time`` is one of them.
        version: Version that answered.
        revision: Revision of the deployment.
        at: When it answered.
    """
    return b"".join(
        record_bytes(
            one.rows,
            one.answers,
            kinds=kinds,
            request_id=one.request_id,
            version=version,
            revision=revision,
            at=at,
        )
        for one in requests
    )


def named_probabilities(answers: Answers) -> list[dict[str, float]] | None:
    """Return the probabilities of each row by class, or None without probabilities."""
    if answers.probabilities is None:
        return None
    return _named(answers.probabilities, answers.classes)


def _named(probabilities: list[list[float]], classes: tuple[Any, ...]) -> list[dict[str, float]]:
    names = [str(name) for name in classes]
    return [dict(zip(names, shares, strict=True)) for shares in probabilities]


def _beside(answers: Answers, said: AssuredRows) -> tuple[Iterable[Any], ...]:
    """Return the further fields of each line, in their order."""
    nothing = repeat(None)
    lows, highs = zip(*said.intervals, strict=True) if said.intervals else (nothing, nothing)
    raw = said.raw_probabilities
    return (
        lows,
        highs,
        said.sets or nothing,
        # Only what is unusual is written.
        nothing if said.unfamiliar is None else [one or None for one in said.unfamiliar],
        said.raw or nothing,
        nothing if raw is None else _named(raw, answers.classes),
        repeat(said.intervention),
    )


def _records(
    names: tuple[str, ...], columns: Sequence[Sequence[Any]], rows: int
) -> list[msgspec.Struct]:
    """Return an object a row; a row may hold nothing but its time."""
    make = _record(names)
    return list(map(make, *columns)) if columns else [make() for _ in range(rows)]


@lru_cache(maxsize=64)
def _record(names: tuple[str, ...]) -> Callable[..., msgspec.Struct]:
    """Return what makes an object with these names of its values, in their order."""
    # Names such as "pm2.5" are no identifiers: fields are numbered and renamed.
    fields = [f"f{n}" for n in range(len(names))]
    named = dict(zip(fields, names, strict=True))
    return msgspec.defstruct("Record", fields, rename=named, gc=False)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        message = f"{name!r} cannot name a folder of the log: use letters, digits, '.', '_', '-'."
        raise ServingError(message)
    return name
