"""Files of rows that come into a folder: which are whole, and their rows as requests hold them."""

import csv
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from ml_assets.core.contract import Contract, Kind
from ml_assets.core.errors import UnreadableFileError

SUFFIXES = (".jsonl", ".csv", ".parquet")
READ_BYTES = 1 << 20
LARGEST_LINE = 1 << 20
PARQUET_BATCH = 1024


@dataclass(frozen=True)
class Arrived:
    """A file that is whole.

    Attributes:
        path: Where it is.
        digest: SHA-256 of its content.
        state: Its size, and its moment of change in nanoseconds.
    """

    path: Path
    digest: str
    state: tuple[int, int]

    def is_unchanged(self) -> bool:
        """Return whether the file is still what was looked at."""
        return self.path.exists() and _state(self.path) == self.state


class Inbox:
    """The folder in which files arrive.

    A file under its final name may still be written to: it is taken once its size and moment of
    change have not moved for a while. Names that begin with a dot are somebody's drafts.

    Args:
        folder: The folder.
        settle_seconds: How long a file must have been left alone.
    """

    def __init__(self, folder: Path, *, settle_seconds: float) -> None:
        self.folder = folder
        self._settle_seconds = settle_seconds
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._digests: dict[Path, Arrived] = {}

    def look(self) -> list[Arrived]:
        """Return the files that are whole, in the order of their names."""
        found = {
            path: _state(path)
            for path in sorted(self.folder.iterdir())
            if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()
        }
        now = time.monotonic()
        self._seen = {
            path: self._seen[path]
            if self._seen.get(path, (None, 0.0))[0] == state
            else (state, now)
            for path, state in found.items()
        }
        whole = [
            path for path, (_, since) in self._seen.items() if now - since >= self._settle_seconds
        ]
        return [self._named(path, found[path]) for path in whole]

    def _named(self, path: Path, state: tuple[int, int]) -> Arrived:
        known = self._digests.get(path)
        if known is None or known.state != state:
            with path.open("rb") as file:
                known = Arrived(path, hashlib.file_digest(file, "sha256").hexdigest(), state)
            self._digests[path] = known
        return known


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def rows_of(path: Path, contract: Contract) -> Iterator[bytes]:
    """Yield each row of a file as JSON, as a request would hold it; nothing is judged here.

    Raises:
        UnreadableFileError: If the file is not of the kind that its name says.
    """
    readers: Mapping[str, Callable[[Path, Contract], Iterator[bytes]]] = {
        ".jsonl": _json_lines,
        ".csv": _delimited,
        ".parquet": _parquet,
    }
    return readers[path.suffix](path, contract)


def _json_lines(path: Path, _: Contract) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LARGEST_LINE + 1):
            if len(line) > LARGEST_LINE:
                message = f"{path} has a line of more than {LARGEST_LINE} bytes: it is no JSONL."
                raise UnreadableFileError(message)
            if line.strip():
                yield line.strip()


def _delimited(path: Path, contract: Contract) -> Iterator[bytes]:
    kinds: dict[str, Kind] = {column.name: column.kind for column in contract.columns}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            records = csv.reader(file, strict=True)
            header = next(records, None)
            if header is None or len(set(header)) < len(header):
                message = f"{path} has no header, or names a column twice."
                raise UnreadableFileError(message)
            for record in records:
                if len(record) != len(header):
                    # No field can be told from another: the row says so when it is judged.
                    yield orjson.dumps(record)
                    continue
                pairs = zip(header, record, strict=True)
                yield orjson.dumps({name: _value(text, kinds.get(name)) for name, text in pairs})
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{path} is no CSV in UTF-8 ({error}). Write it again with quotes that match."
        raise UnreadableFileError(message) from error


def _value(text: str, kind: Kind | None) -> object:
    """Return a field as JSON holds it; what does not fit its kind stays text, to be refused."""
    if text == "":
        return None
    try:
        match kind:
            case "float":
                return float(text)
            case "integer":
                return int(text)
            case "boolean":
                return {"true": True, "false": False}.get(text.lower(), text)
    except ValueError:
        return text
    return text


def _parquet(path: Path, _: Contract) -> Iterator[bytes]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_BATCH, use_threads=False):
                for row in batch.cast(_in_microseconds(batch.schema)).to_pylist():
                    yield _dumped(row, path)
    except (pa.ArrowException, OSError) as error:
        message = f"{path} is no Parquet file ({error}). Was it cut short? Write it again."
        raise UnreadableFileError(message) from error


def _in_microseconds(schema: pa.Schema) -> pa.Schema:
    """Return a schema whose times are those of Python."""
    fields = [
        field.with_type(pa.timestamp("us", field.type.tz))
        if pa.types.is_timestamp(field.type)
        else field
        for field in schema
    ]
    return pa.schema(fields)


def _dumped(row: dict[str, object], path: Path) -> bytes:
    try:
        return orjson.dumps(row)
    except TypeError as error:
        message = f"{path} holds a type that no request can hold ({error})."
        raise UnreadableFileError(message) from error
