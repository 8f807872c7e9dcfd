"""Who asks: from where, with which key, as part of which trace."""

import re
from collections.abc import Mapping
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from bentos.predictor.body import REQUEST_ID, REQUEST_ID_HEADER
from ml_assets.core.addresses import is_loopback

API_KEY_HEADER = "x-api-key"
TRACE_HEADER = "traceparent"
LONGEST_SECRET = 256
# A proxy on this machine connects from loopback too: what it adds tells that a stranger asks.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)


def is_local(scope: AsgiScope) -> bool:
    """Return whether a request came over loopback, and no proxy says that it brought it."""
    ends = (scope.get("server"), scope.get("client"))
    if not all(end is not None and is_loopback(str(end[0])) for end in ends):
        return False
    headers = Headers(scope=scope)
    return not any(name in headers for name in PROXY_HEADERS)


def address_of(scope: AsgiScope) -> str:
    """Return the address of the caller; one text for all of which none is known."""
    client = scope.get("client")
    return "unknown" if client is None else str(client[0])


def secret_of_request(headers: Headers) -> str | None:
    """Return the secret of ``Authorization: Bearer`` or ``x-api-key``; None if there is none."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    secret = bearer.strip() if kind.lower() == "bearer" else headers.get(API_KEY_HEADER, "")
    return secret if 0 < len(secret) <= LONGEST_SECRET else None


def name_of_request(headers: Mapping[str, str]) -> str:
    """Return the name that the caller gave its request, or a new one."""
    given = headers.get(REQUEST_ID_HEADER, "")
    return given if REQUEST_ID.fullmatch(given) else uuid4().hex


def trace_of(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the trace that the request is part of, and its flags; None without a valid one."""
    found = _TRACE.match(headers.get(TRACE_HEADER, ""))
    if found is None or not int(found["trace"], 16) or not int(found["parent"], 16):
        return None
    return found["trace"], found["flags"]


def traceparent(trace: str, flags: str) -> str:
    """Return the header that names this server's part of the trace."""
    return f"00-{trace}-{uuid4().hex[:16]}-{flags}"
