"""Scoring files as they come, with whatever version serves, each row exactly once."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ml_assets.core.answering import Answers
from ml_assets.core.errors import MLAssetsError, ServingError, UnreadableFileError
from ml_assets.core.prediction import Predictor
from ml_assets.core.request_rows import Refused, RequestRows
from ml_assets.core.request_schema import ROWS
from ml_assets.storage.exclusive import alone
from ml_assets.storage.served_answers import adjust
from ml_assets.storage.stream_files import Arrived, Inbox
from ml_assets.storage.stream_memory import (
    Numbered,
    chunks,
    decode,
    moment_of,
    numbered,
    recall_scored,
)
from ml_assets.storage.stream_output import Entry, Outbox, Result
from ml_assets.storage.workspace import Workspace

POLL_SECONDS = 0.5
SETTLE_SECONDS = 2.0
logger = logging.getLogger(__name__)


class _Interrupted(Exception):  # noqa: N818 - it is no error: the file is scored another time
    """The file is not finished: it changed, or the process has to stop."""


@dataclass(frozen=True)
class _Loaded:
    predictor: Predictor
    revision: int
    digest: str


class StreamScoring:
    """Scores the files of a folder with the deployed champion.

    Args:
        workspace: Holds the deployment and the releases.
        problem: Name of the problem.
        source: Folder in which files of rows arrive.
        target: Folder of the results.
        settle_seconds: How long a file must have been left alone to count as whole.
    """

    def __init__(
        self,
        workspace: Workspace,
        problem: str,
        *,
        source: Path,
        target: Path,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        if not source.is_dir() or source.resolve() == target.resolve():
            message = f"{source} must be a folder, and another one than the results' {target}."
            raise ServingError(message)
        self._workspace = workspace
        self._problem = problem
        self._inbox = Inbox(source, settle_seconds=settle_seconds)
        self._outbox = Outbox(target)
        self._loaded: _Loaded | None = None
        self._stopped = threading.Event()
        self._told: str | None = None

    def stop(self) -> None:
        """Stop soon; a file that is being scored is begun anew by the next process."""
        self._stopped.set()

    def run(self) -> None:
        """Score what comes until ``stop`` is called."""
        with alone(self._outbox.folder):
            self._outbox.clear_drafts()
            while not self._stopped.is_set():
                self.score_new()
                self._stopped.wait(POLL_SECONDS)
        if self._loaded is not None:
            self._loaded.predictor.close()

    def score_new(self) -> int:
        """Score the files that are whole and new, and return their number."""
        scored = 0
        for arrived in self._inbox.look():
            if self._stopped.is_set():
                break
            if self._outbox.is_done(arrived.digest):
                continue
            try:
                self._score(arrived)
                scored += 1
            except UnreadableFileError as error:
                self._forget()
                self._outbox.set_aside(arrived.digest, arrived.path, str(error))
                logger.warning("%s is set aside: %s", arrived.path, error)
            except (_Interrupted, FileNotFoundError):
                self._forget()
        return scored

    def _score(self, arrived: Arrived) -> None:
        loaded = self._serving()
        predictor = loaded.predictor
        # What intervals and corrections are now holds for the whole file.
        adjust(
            self._workspace,
            self._problem,
            predictor.assurer,
            digest=loaded.digest,
            now=datetime.now(UTC),
        )
        version = predictor.release.version
        entry = Entry(arrived.digest, str(arrived.path.absolute()), version, loaded.revision)
        moment = moment_of(arrived.path)
        with self._outbox.result(entry) as result:
            rows = numbered(arrived.path, predictor)
            for chunk in chunks(rows, predictor.release.max_rows):
                if self._stopped.is_set():
                    raise _Interrupted
                self._judged(entry, chunk, result, moment)
            if not arrived.is_unchanged():
                raise _Interrupted
        logger.info("%s: %s rows, %s rejected", arrived.path, result.scored, result.rejected)

    def _judged(
        self, entry: Entry, chunk: Sequence[Numbered], result: Result, moment: datetime
    ) -> None:
        """Score a chunk; a row that is no JSON object is rejected before it can touch others."""
        whole = []
        for number, row in chunk:
            reason = _no_object(row)
            if reason is None:
                whole.append((number, row))
            else:
                _reject(entry, number, row, reason, result)
        if whole:
            self._answered(entry, whole, result, moment)

    def _answered(
        self, entry: Entry, chunk: Sequence[Numbered], result: Result, moment: datetime
    ) -> None:
        """Score a chunk as one request; if it is refused, its halves, down to the row at fault."""
        if self._loaded is None:
            return
        predictor = self._loaded.predictor
        decoded = (
            decode(predictor, [row for _, row in chunk], now=moment)
            if len(chunk) == 1 or ROWS not in predictor.contract.by_name
            else None
        )
        answers = predictor.predict(decoded) if isinstance(decoded, RequestRows) else decoded
        if isinstance(answers, Answers) and isinstance(decoded, RequestRows):
            keys = predictor.release.keys
            for position, (number, _) in enumerate(chunk):
                row = {
                    "request_id": entry.digest,
                    "row": number,
                    "event_time": decoded.event_times[position],
                    "keys": {key: decoded.columns[key][position] for key in keys},
                    "version": entry.version,
                    "revision": entry.revision,
                }
                result.score({**row, **_said(answers, position)})
        elif len(chunk) > 1:
            middle = len(chunk) // 2
            self._answered(entry, chunk[:middle], result, moment)
            self._answered(entry, chunk[middle:], result, moment)
        elif isinstance(answers, Refused):
            reason = "; ".join(fault.message for fault in answers.faults)
            _reject(entry, *chunk[0], reason, result)

    def _serving(self) -> _Loaded:
        """Return what the deployment asks for; if that fails, what served before."""
        try:
            self._follow()
        except MLAssetsError as error:
            if self._loaded is None:
                raise
            if str(error) != self._told:
                logger.exception("The release is not exchanged; the old one stays.")
            self._told = str(error)
        if self._loaded is None:
            message = f"No version of {self._problem!r} serves yet. Promote one first."
            raise ServingError(message)
        return self._loaded

    def _follow(self) -> None:
        deployment = self._workspace.deployment(self._problem).read()
        if deployment is None:
            return
        if self._loaded is not None and self._loaded.revision == deployment.revision:
            return
        files = self._workspace.artefacts.read_all(deployment.champion)
        predictor = Predictor(files, digest=deployment.champion)
        try:
            predictor.prove()
            recall_scored(predictor, self._outbox, revision=deployment.revision)
        except BaseException:
            predictor.close()
            raise
        self._forget()
        self._loaded = _Loaded(predictor, deployment.revision, deployment.champion)

    def _forget(self) -> None:
        """Give up the memory: it holds rows of a file that does not count."""
        if self._loaded is not None:
            self._loaded.predictor.close()
        self._loaded = None


def _no_object(row: bytes) -> str | None:
    try:
        found = orjson.loads(row)
    except orjson.JSONDecodeError as error:
        return f"The row is not JSON: {error}."
    return None if isinstance(found, dict) else "The row is no object of columns and values."


def _said(answers: Answers, position: int) -> dict[str, Any]:
    shares, beside = answers.probabilities, answers.beside
    said: dict[str, Any] = {
        "prediction": answers.predictions[position],
        "probabilities": None if shares is None else _named(answers, shares[position]),
    }
    if beside is None:
        return said
    # What is not said does not stand there, as in the prediction log.
    if beside.intervals is not None:
        said["low"], said["high"] = beside.intervals[position]
    if beside.sets is not None:
        said["prediction_set"] = beside.sets[position]
    if beside.unfamiliar is not None:
        said["unfamiliar"] = beside.unfamiliar[position]
    if beside.raw is not None:
        said["raw"] = beside.raw[position]
    if beside.raw_probabilities is not None:
        said["raw_probabilities"] = _named(answers, beside.raw_probabilities[position])
    if beside.intervention is not None:
        said["intervention"] = beside.intervention
    return said


def _named(answers: Answers, shares: list[float]) -> dict[str, float]:
    return dict(zip(map(str, answers.classes), shares, strict=True))


def _reject(entry: Entry, number: int, row: bytes, reason: str, result: Result) -> None:
    text = row.decode("utf-8", errors="replace")
    named = {"request_id": entry.digest, "row": number, "version": entry.version}
    result.reject({**named, "reason": reason, "content": text})
