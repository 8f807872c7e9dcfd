"""Fetch what is at an http(s) or object-store address; no word of a secret leaves this file."""

import logging
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import IO
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
from pyarrow import fs

from ml_assets.core.errors import SourceError

PAUSES = (0.5, 1.0, 2.0)  # seconds before the second, third and fourth try
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
BLOCK_BYTES = 2**20
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})


def fetch(url: str, draft: IO[bytes], *, pauses: tuple[float, ...] = PAUSES) -> str:
    """Write the content at an address to an open file.

    Args:
        url: The address.
        draft: File that is overwritten.
        pauses: Seconds to wait before each further try.

    Returns:
        SHA-256 of the content, in hex.

    Raises:
        SourceError: If it could not be had in as many tries.
    """
    waits = iter(pauses)
    while True:
        try:
            return _copied(url, draft)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, pa.ArrowException) as error:
            pause = next(waits, None)
            if pause is None or not _may_pass(error):
                # The cause's text may hold the address with its secrets.
                raise SourceError(failure(url, error)) from None
            time.sleep(pause)


def headers_of(url: str, asked: Mapping[str, str]) -> tuple[int, httpx.Headers]:
    """Ask once for what is at an http(s) address, and leave the content unread.

    It is a GET: a signed address need not answer a HEAD.

    Args:
        url: The address.
        asked: Headers of the request, such as ``If-None-Match``.

    Returns:
        Status, 304 included, and headers of the answer.

    Raises:
        httpx.HTTPError: If there is no answer, or one of failure.
    """
    logging.getLogger("httpx").addFilter(_REDACT)
    with httpx.stream(
        "GET", url, headers=dict(asked), timeout=TIMEOUT, follow_redirects=True
    ) as answer:
        if answer.status_code != httpx.codes.NOT_MODIFIED:
            answer.raise_for_status()
        return answer.status_code, answer.headers


def redacted(url: str) -> str:
    """Return an address without user, password and query, which may hold secrets.

    Example:
        >>> redacted("https://ann:secret@example.org:8443/data.csv?token=1")
        'https://example.org:8443/data.csv'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def failure(url: str, error: Exception) -> str:
    """Say why an address gave nothing, without the secrets that it may hold."""
    match error:
        case httpx.HTTPStatusError():
            reason = f"the server answered {error.response.status_code}"
        case httpx.InvalidURL() | pa.ArrowInvalid():
            reason = "it is not a usable address"
        case _:
            reason = f"{type(error).__name__}: {str(error).replace(url, redacted(url))}"
    return f"{redacted(url)} could not be fetched: {reason}. Check source.url and the way there."


class _RedactAddresses(logging.Filter):
    """httpx logs every address it asks, whole."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                redacted(str(value)) if isinstance(value, httpx.URL) else value
                for value in record.args
            )
        return True


_REDACT = _RedactAddresses()


def _copied(url: str, draft: IO[bytes]) -> str:
    draft.seek(0)
    draft.truncate()
    digest = sha256()
    for block in _over_http(url) if url.startswith("http") else _from_store(url):
        draft.write(block)
        digest.update(block)
    draft.flush()
    return digest.hexdigest()


def _over_http(url: str) -> Iterator[bytes]:
    logging.getLogger("httpx").addFilter(_REDACT)
    # The bytes as they are stored: what a declared digest is the digest of.
    headers = {"Accept-Encoding": "identity"}
    with httpx.stream(
        "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True
    ) as answer:
        answer.raise_for_status()
        yield from answer.iter_raw(BLOCK_BYTES)


def _from_store(url: str) -> Iterator[bytes]:
    store, path = fs.FileSystem.from_uri(url)
    with store.open_input_stream(path, compression=None) as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def _may_pass(error: Exception) -> bool:
    match error:
        case httpx.HTTPStatusError():
            return error.response.status_code in WORTH_ANOTHER_TRY
        case FileNotFoundError() | PermissionError() | httpx.InvalidURL() | pa.ArrowInvalid():
            return False
        case _:
            return True
