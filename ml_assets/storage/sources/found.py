"""A file that a source has found, named by its content."""

from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Self

import pyarrow as pa

from ml_assets.core.errors import UnreadableFileError


@dataclass(frozen=True)
class FoundFile:
    """A file and its content's name.

    Attributes:
        path: Where it is.
        digest: SHA-256 of its content, in hex.
        size: Bytes.
        name: What it is known by: a new content of the same name replaces the earlier one.
    """

    path: Path
    digest: str
    size: int
    name: str

    @classmethod
    def at(cls, path: Path, *, name: str | None = None) -> Self:
        """Name the content of the file at ``path``.

        Args:
            path: Where it is.
            name: What it is known by, if not by its path.

        Raises:
            UnreadableFileError: If the operating system does not let us read it.
        """
        try:
            with path.open("rb") as stream:
                digest = file_digest(stream, "sha256").hexdigest()
                return cls(path, digest, stream.tell(), name or str(path))
        except OSError as error:
            message = f"{path} could not be opened: {error.strerror}. Check that it may be read."
            raise UnreadableFileError(message) from error


def rows_digest(rows: pa.Table) -> str:
    """Return the SHA-256 of a table's content, in hex: the same rows have the same name."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return sha256(sink.getvalue()).hexdigest()
