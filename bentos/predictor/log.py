"""The prediction log: one line a predicted row, on disk before the answer leaves.

A segment is a file that one process appends to during one hour:
``<spool>/<problem>/<version>/<YYYY-MM-DD>/<HH>/<pid>-<uuid>.jsonl``. A request is one ``write`` to
a file opened for appending: once it returns, killing the process loses nothing.
"""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from ml_assets.core.errors import ServingError, SpoolError
from ml_assets.core.prediction import Answers
from ml_assets.core.request_schema import RequestRows

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class PredictionLog:
    """Appends what was asked and answered. For one thread at a time.

    Args:
        spool: Folder of all problems' logs.
        problem: Name of the problem.
    """

    def __init__(self, spool: Path, problem: str) -> None:
        self.folder = spool / _checked(problem)
        self._name = f"{os.getpid()}-{uuid4().hex}.jsonl"
        self._segment: Path | None = None
        self._handle: int | None = None

    def append(self, lines: Sequence[bytes], *, version: str, at: datetime) -> None:
        """Write the lines of one request.

        Args:
            lines: What ``log_lines`` made.
            version: Version that answered.
            at: When it answered; its hour names the segment.

        Raises:
            SpoolError: If the disk did not take all of it. Nothing of it is left then.
        """
        content = b"".join(lines)
        handle = self._open(self._place(version, at))
        before = os.fstat(handle).st_size
        try:
            written = os.write(handle, content)
        except OSError as error:
            written, reason = 0, str(error)
        else:
            reason = f"{written} of {len(content)} bytes were written"
        if written < len(content):
            os.ftruncate(handle, before)
            message = (
                f"The prediction log {self._segment} cannot be written ({reason}). "
                "Free some disk space: nothing is answered that is not logged."
            )
            raise SpoolError(message)

    def close(self) -> None:
        """End the segment."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle = self._segment = None

    def _place(self, version: str, at: datetime) -> Path:
        at = at.astimezone(UTC)
        return self.folder / _checked(version) / f"{at:%Y-%m-%d}" / f"{at:%H}" / self._name

    def _open(self, segment: Path) -> int:
        if self._handle is None or segment != self._segment:
            self.close()
            try:
                segment.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
                self._handle = os.open(segment, flags, 0o644)
            except OSError as error:
                message = f"The prediction log {segment} cannot be opened ({error})."
                raise SpoolError(message) from error
            self._segment = segment
        return self._handle


def log_lines(
    rows: RequestRows,
    answers: Answers,
    *,
    request_id: str,
    version: str,
    revision: int,
    at: datetime,
) -> list[bytes]:
    """Return one line of JSON for each row of a request.

    Args:
        rows: What was asked.
        answers: What was answered.
        request_id: Name of the request.
        version: Version that answered.
        revision: Revision of the deployment; 0 where the packed release serves.
        at: When it answered.
    """
    names = list(answers.features.columns)
    features = answers.features.to_numpy(dtype=object).tolist()
    moment = _iso(at)
    return [
        orjson.dumps(
            {
                "request_id": request_id,
                "at": moment,
                "version": version,
                "revision": revision,
                "row": row,
                "event_time": _iso(rows.event_times[row]),
                "inputs": rows.row(row),
                "features": dict(zip(names, features[row], strict=True)),
                "prediction": answers.predictions[row],
                "probabilities": named_probabilities(answers, row),
            },
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for row in range(len(rows))
    ]


def named_probabilities(answers: Answers, row: int) -> dict[str, float] | None:
    """Return the probabilities of a row by class."""
    if answers.probabilities is None:
        return None
    names: list[Any] = [str(name) for name in answers.classes]
    return dict(zip(names, answers.probabilities[row], strict=True))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        message = f"{name!r} cannot name a folder of the log: use letters, digits, '.', '_', '-'."
        raise ServingError(message)
    return name
