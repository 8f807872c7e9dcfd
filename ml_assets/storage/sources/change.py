"""Whether a source's content changed, told without reading it."""

import hashlib
from glob import glob
from pathlib import Path

import httpx
import pyarrow as pa
from pyarrow import fs

from ml_assets.core.errors import SourceError
from ml_assets.core.problem import AddressSource, FilesSource
from ml_assets.storage.sources.download import failure, headers_of, redacted


def content_mark(source: FilesSource | AddressSource, seen: str | None) -> str:
    """Return a short text that is another one when the source's content may be another.

    Args:
        source: Files, of which names, sizes and times of change are listed; or an address, whose
            server is asked for the content's ETag or, without one, its time of change.
        seen: What was returned the last time.

    Raises:
        SourceError: If nobody answers, or the answer does not tell one content from another.
    """
    if isinstance(source, FilesSource):
        return _of_files(source)
    try:
        if source.url.startswith("http"):
            return _of_answer(source.url, seen)
        return _of_object(source.url)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, pa.ArrowException) as error:
        # The cause's text may hold the address with its secrets.
        raise SourceError(failure(source.url, error)) from None


def _of_files(source: FilesSource) -> str:
    paths = glob(source.path, root_dir=Path.cwd(), recursive=True)  # noqa: PTH207  it may be absolute
    total = hashlib.sha256()
    for path in sorted(paths):
        status = Path(path).stat()
        total.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return total.hexdigest()[:24]


def _of_answer(url: str, seen: str | None) -> str:
    # An ETag is quoted and a time is not (RFC 9110, 8.8.3).
    asked = {} if seen is None else {"If-None-Match" if '"' in seen else "If-Modified-Since": seen}
    status, headers = headers_of(url, asked)
    if status == httpx.codes.NOT_MODIFIED and seen is not None:
        return seen
    mark = headers.get("ETag") or headers.get("Last-Modified")
    if mark is None:
        message = (
            f"{redacted(url)} is sent with neither ETag nor Last-Modified: a new content cannot be "
            "told from the old one. Materialise its landed files at times instead."
        )
        raise SourceError(message)
    return mark


def _of_object(url: str) -> str:
    store, path = fs.FileSystem.from_uri(url)
    [found] = store.get_file_info([path])
    if found.type != fs.FileType.File:
        raise FileNotFoundError(path)
    return f"{found.size} {found.mtime_ns}"
