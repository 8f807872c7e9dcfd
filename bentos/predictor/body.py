"""Reading a request's body: its kind, its size, its name."""

import re
from collections.abc import Mapping

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from ml_assets.core.request_schema import BodyKind

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID_KEY = REQUEST_ID_HEADER.encode()
_BY_NAME = "headers_by_name"
_JSON_TYPE = "application/json"
ARROW_TYPE = "application/vnd.apache.arrow.stream"
KINDS: Mapping[str, BodyKind] = {
    _JSON_TYPE: "json",
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


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers of a request by name in lower case, of each name the first.

    Every request is asked for several, so they are sorted once and stay with it.

    Args:
        scope: What ASGI says of the request.
    """
    found = scope.get(_BY_NAME)
    if found is None:
        found = scope[_BY_NAME] = dict(reversed(scope["headers"]))
    return found


def header_of(scope: Scope, name: bytes) -> str | None:
    """Return a header of a request, the first of its name.

    Args:
        scope: What ASGI says of the request.
        name: In lower case.
    """
    value = headers_of(scope).get(name)
    return None if value is None else value.decode("latin-1")


def request_id_of(scope: Scope) -> str | None:
    """Return the caller's name for the request, or None if it gave none."""
    given = header_of(scope, REQUEST_ID_KEY)
    if given is not None and not REQUEST_ID.fullmatch(given):
        message = f"{REQUEST_ID_HEADER} holds 1 to 128 letters, digits, '.', '_' or '-'."
        raise Unacceptable(400, message)
    return given


def kind_of(scope: Scope) -> BodyKind:
    """Return what the body of a request is."""
    given = header_of(scope, b"content-type") or ""
    if given == _JSON_TYPE and b"content-encoding" not in headers_of(scope):
        return "json"
    coding = header_of(scope, b"content-encoding")
    kind = KINDS.get(given.partition(";")[0].strip().lower())
    if kind is None or not (coding is None or coding.lower() == "identity"):
        message = f"Send one of {', '.join(KINDS)} as content-type, and no content-encoding."
        raise Unacceptable(415, message)
    return kind


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """Return the body of a request.

    Args:
        scope: What ASGI says of the request.
        receive: Brings the parts of its body.
        limit: Bytes that are read at most, whatever the headers say.

    Raises:
        Unacceptable: With 413 if the body is larger.
        ClientDisconnect: If the caller is gone.
    """
    declared = headers_of(scope).get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Unacceptable:
    message = f"The body is larger than {limit} bytes. Send fewer rows in one request."
    return Unacceptable(413, message)
