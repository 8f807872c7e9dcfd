"""Reading a request's body: its kind, its size, its name."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.types import Scope

from ml_assets.core.request_schema import BodyKind

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID_KEY = REQUEST_ID_HEADER.encode()
ARROW_TYPE = "application/vnd.apache.arrow.stream"
KINDS: Mapping[str, BodyKind] = {
    "application/json": "json",
    ARROW_TYPE: "arrow",
    "application/vnd.apache.parquet": "parquet",
}


class Unacceptable(Exception):  # noqa: N818 - it is an answer, not a failure of the server
    """A request that is refused before its content is looked at.

    Args:
        status: HTTP status.
        message: What was wrong and what is expected.
        headers: Further headers of the answer, such as when to come again.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def header_of(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request, the first of its name.

    Every request is asked for several: a scan of its few headers is the cheapest way.

    Args:
        scope: What ASGI says of the request.
        name: In lower case.
    """
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def request_id_of(request: Request) -> str | None:
    """Return the caller's name for the request, or None if it gave none."""
    given = header_of(request.scope, REQUEST_ID_KEY)
    if given is not None and not REQUEST_ID.fullmatch(given):
        message = f"{REQUEST_ID_HEADER} holds 1 to 128 letters, digits, '.', '_' or '-'."
        raise Unacceptable(400, message)
    return given


def kind_of(request: Request) -> BodyKind:
    """Return what the body of a request is."""
    given = header_of(request.scope, b"content-type") or ""
    coding = header_of(request.scope, b"content-encoding")
    kind = KINDS.get(given.partition(";")[0].strip().lower())
    if kind is None or not (coding is None or coding.lower() == "identity"):
        message = f"Send one of {', '.join(KINDS)} as content-type, and no content-encoding."
        raise Unacceptable(415, message)
    return kind


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return the body of a request.

    Args:
        request: The request.
        limit: Bytes that are read at most, whatever the headers say.
    """
    message = f"The body is larger than {limit} bytes. Send fewer rows in one request."
    declared = header_of(request.scope, b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise Unacceptable(413, message)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Unacceptable(413, message)
        parts.append(part)
    return b"".join(parts)
