"""What stream scoring writes: each input's rows once, whatever kills the process.

An input's output is ``<digest>.jsonl``, named by its content. It is written as a draft and renamed
when it is whole: that rename is the one moment at which the input becomes done. Before it stand
the rejected rows, renamed first, and a line in the journal that says which version scored. So a
process that is killed at any point leaves either nothing that counts, or everything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from ml_assets.storage.atomic import sync_folder, write_atomically

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Entry:
    """A line of the journal: a file is about to be done.

    Attributes:
        digest: Its content.
        path: Where it was.
        version: Version that scored it.
        revision: Revision of the deployment.
    """

    digest: str
    path: str
    version: str
    revision: int


class Outbox:
    """The folder of the results. One process at a time writes here.

    Args:
        folder: The folder; it is created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def is_done(self, digest: str) -> bool:
        """Return whether a content was scored, or set aside."""
        return self._output(digest).exists() or self._set_aside(digest).exists()

    def done(self) -> list[Entry]:
        """Return what was scored, in this order."""
        try:
            lines = (self.folder / JOURNAL).read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        # A line without its end was being written when its process was killed.
        entries = [Entry(**orjson.loads(line)) for line in lines if line.endswith(b"\n")]
        begun: dict[str, Entry] = {}
        for entry in entries:
            # Of a content that was begun twice the last time counts.
            begun.pop(entry.digest, None)
            begun[entry.digest] = entry
        return [entry for entry in begun.values() if self._output(entry.digest).exists()]

    def rejected(self, digest: str) -> set[int]:
        """Return the numbers of an input's rows that have no answer."""
        try:
            lines = self._rejected(digest).read_bytes().splitlines()
        except FileNotFoundError:
            return set()
        return {orjson.loads(line)["row"] for line in lines}

    def clear_drafts(self) -> None:
        """Remove what a process that was killed has left."""
        for draft in self.folder.glob(".*.draft"):
            draft.unlink()

    def set_aside(self, digest: str, path: Path, reason: str) -> None:
        """Record that a file cannot be read; it stays where it is."""
        content = orjson.dumps({"file": str(path), "reason": reason}, option=orjson.OPT_INDENT_2)
        write_atomically(self._set_aside(digest), content + b"\n")

    @contextmanager
    def result(self, entry: Entry) -> "Iterator[Result]":
        """Write the result of one input; it counts once the block ends without an error."""
        with Result(self.folder, entry.digest) as result:
            yield result
            result.finish()
            self._note(entry)
            result.publish()

    def _note(self, entry: Entry) -> None:
        journal = self.folder / JOURNAL
        handle = os.open(journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size and os.pread(handle, 1, size - 1) != b"\n"
            if torn:
                os.ftruncate(handle, journal.read_bytes().rfind(b"\n") + 1)
            os.write(handle, orjson.dumps(asdict(entry), option=orjson.OPT_APPEND_NEWLINE))
            os.fsync(handle)
        finally:
            os.close(handle)

    def _output(self, digest: str) -> Path:
        return self.folder / f"{digest}.jsonl"

    def _rejected(self, digest: str) -> Path:
        return self.folder / f"{digest}.rejected.jsonl"

    def _set_aside(self, digest: str) -> Path:
        return self.folder / f"{digest}.set_aside.json"


class Result:
    """The drafts of one input's output and rejected rows.

    Args:
        folder: Where they go.
        digest: Content of the input.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder = folder
        names = (f"{digest}.rejected.jsonl", f"{digest}.jsonl")
        # The rejected rows are published first: the output is what says that all is there.
        self._places = [(folder / f".{name}.draft", folder / name) for name in names]
        self._rejected, self._scored = (draft.open("wb") for draft, _ in self._places)
        self.rejected = self.scored = 0

    def score(self, row: dict[str, Any]) -> None:
        """Add a scored row."""
        self._scored.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self.scored += 1

    def reject(self, row: dict[str, Any]) -> None:
        """Add a row that has no answer."""
        self._rejected.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        self.rejected += 1

    def finish(self) -> None:
        """Bring both drafts to the disk."""
        for file in (self._rejected, self._scored):
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def publish(self) -> None:
        """Give both their names, if there are rejected rows to them too."""
        for (draft, place), wanted in zip(self._places, (self.rejected, True), strict=True):
            if wanted:
                draft.replace(place)
            sync_folder(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file, (draft, _) in zip((self._rejected, self._scored), self._places, strict=True):
            file.close()
            draft.unlink(missing_ok=True)
