"""Feedback on disk: one line a truth, there even after a loss of power.

A segment is a file that one process appends to during one hour:
``<spool>/<problem>/feedback/<YYYY-MM-DD>/<HH>-<pid>-<uuid>.jsonl``. A truth is rare and dear, and
nobody can compute it again: unlike the prediction log, each request waits for the disk.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

from ml_assets.core.errors import SpoolError
from ml_assets.core.feedback import FEEDBACK, Truth


class FeedbackLog:
    """Appends truths. For one thread at a time.

    Args:
        spool: Folder of all problems' logs.
    """

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._name = f"{os.getpid()}-{uuid4().hex}.jsonl"

    def append(
        self, truths: Sequence[Truth], *, problem: str, received_at: datetime, by: str | None
    ) -> None:
        """Write the truths of one request, all or none.

        Args:
            truths: What was sent.
            problem: Name of the problem.
            received_at: When it came: from then on it was known.
            by: Name of the key that sent it.

        Raises:
            SpoolError: If the disk did not take all of it. Nothing of it is left then.
        """
        at = received_at.astimezone(UTC)
        folder = self._spool / problem / FEEDBACK / f"{at:%Y-%m-%d}"
        content = b"".join(_line(truth, at, by) for truth in truths)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write(folder / f"{at:%H}-{self._name}", content)
        except OSError as error:
            message = (
                f"The feedback below {folder} cannot be written ({error}). Free some disk space: "
                "nothing is taken that is not kept."
            )
            raise SpoolError(message) from error

    def _write(self, segment: Path, content: bytes) -> None:
        is_new = not segment.exists()
        handle = os.open(segment, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(handle).st_size
            written = os.write(handle, content)
            if written < len(content):
                os.ftruncate(handle, before)
                reason = f"{written} of {len(content)} bytes were written"
                raise OSError(reason)
            os.fdatasync(handle)
        finally:
            os.close(handle)
        if is_new:
            _keep_names(segment)


def _keep_names(segment: Path) -> None:
    """Make the names of a new segment and of its folders survive a loss of power."""
    for folder in (segment.parent, segment.parent.parent, segment.parent.parent.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _line(truth: Truth, received_at: datetime, by: str | None) -> bytes:
    values = {
        "request_id": truth.request_id,
        "row": truth.row,
        "truth": truth.truth,
        "at": None if truth.at is None else truth.at.astimezone(UTC).isoformat(),
        "received_at": received_at.isoformat(timespec="microseconds"),
        "by": by,
    }
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)
