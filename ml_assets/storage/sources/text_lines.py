"""The lines of a text file, as they stand there, decoded and checked for what makes no table."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ml_assets.core.errors import UnreadableFileError

BLOCK_BYTES = 8 * 2**20
GZIP = b"\x1f\x8b"
OTHER_KINDS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel sheet",
    b"\xd0\xcf\x11\xe0": "an old Excel sheet",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "a bzip2 file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\xfd7zXZ": "an xz file",
}
CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")


def read_lines(path: Path, *, encoding: str) -> Iterator[list[str]]:
    """Yield the lines of a file, block by block, without their ends. Gzip is looked through.

    Raises:
        UnreadableFileError: If the file is empty, not text of this encoding, damaged, or holds
            the marks of an unresolved merge.
    """
    rest, number, separator = "", 0, ""
    for text in _decoded(path, encoding):
        rest += text
        if not separator and ("\n" in rest or "\r" in rest):
            separator = "\n" if "\n" in rest else "\r"  # the second is how old Macs wrote
        *lines, rest = rest.split(separator or "\n")
        yield _checked(lines, path, first=number)
        number += len(lines)
    if rest:
        yield _checked([rest], path, first=number)


def _checked(lines: list[str], path: Path, *, first: int) -> list[str]:
    for place, line in enumerate(lines):
        if line.startswith(CONFLICT_MARKERS):
            message = (
                f"{path}, line {first + place + 1}, holds a mark of an unresolved merge "
                f"({line[:40]!r}). Resolve the conflict and deliver the file again."
            )
            raise UnreadableFileError(message)
    return [line.removesuffix("\r") for line in lines]


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    for block in (*_blocks(path), b""):
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            place = offset - held + getattr(error, "start", 0)
            message = (
                f"{path} is not {encoding} text: byte {place} cannot be read. Declare the "
                "file's format.encoding (such as cp1252 or utf-16), or deliver it again."
            )
            raise UnreadableFileError(message) from error
        text = text.removeprefix("\ufeff") if offset == 0 else text
        if "\x00" in text:
            message = (
                f"{path} is not {encoding} text: it holds a null character in the block at byte "
                f"{offset}. It is binary, or of another format.encoding (such as utf-16)."
            )
            raise UnreadableFileError(message)
        offset += len(block)
        yield text


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        start = raw.read(16)
        raw.seek(0)
        if not start:
            message = f"{path} is empty. Deliver it again, with at least a header."
            raise UnreadableFileError(message)
        for mark, kind in OTHER_KINDS.items():
            if start.startswith(mark):
                message = f"{path} is {kind}, not text. Declare format.kind, or export it as text."
                raise UnreadableFileError(message)
        yield from _unpacked(raw, path) if start.startswith(GZIP) else _read(raw)


def _read(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _unpacked(raw: IO[bytes], path: Path) -> Iterator[bytes]:
    packed = gzip.GzipFile(fileobj=raw)
    size = 0
    try:
        for block in _read(packed):
            size += len(block)
            yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        message = f"{path} is a damaged or cut-off gzip file ({error}). Deliver it again, whole."
        raise UnreadableFileError(message) from error
    if not size:
        message = f"{path} is an empty file, packed. Deliver it again, with at least a header."
        raise UnreadableFileError(message)
