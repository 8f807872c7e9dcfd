"""Who asks: from where, with which key, as part of which trace."""

import re
from functools import lru_cache
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.types import Scope as AsgiScope

from bentos.predictor.body import REQUEST_ID, REQUEST_ID_KEY, header_of, headers_of
from ml_assets.core.addresses import is_loopback

API_KEY_HEADER = "x-api-key"
TRACE_KEY = b"traceparent"
LONGEST_SECRET = 256
# A proxy on this machine connects from loopback too: what it adds tells that a stranger asks.
_PROXY_HEADERS = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"}
)
# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
)


def is_local(scope: AsgiScope) -> bool:
    """Return whether a request came over loopback, and no proxy says that it brought it."""
    ends = (scope.get("server"), scope.get("client"))
    if not all(end is not None and _is_loopback(str(end[0])) for end in ends):
        return False
    return _PROXY_HEADERS.isdisjoint(headers_of(scope))


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    """Return whether an address is this machine's own; a connection asks many times."""
    return is_loopback(address)


def address_of(scope: AsgiScope) -> str:
    """Return the address of the caller; one text for all of which none is known."""
    client = scope.get("client")
    return "unknown" if client is None else str(client[0])


def secret_of_request(headers: Headers) -> str | None:
    """Return the secret of ``Authorization: Bearer`` or ``x-api-key``; None if there is none."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    secret = bearer.strip() if kind.lower() == "bearer" else headers.get(API_KEY_HEADER, "")
    return secret if 0 < len(secret) <= LONGEST_SECRET else None


def name_of_request(scope: AsgiScope) -> str:
    """Return the name that the caller gave its request, or a new one."""
    given = header_of(scope, REQUEST_ID_KEY)
    return given if given is not None and REQUEST_ID.fullmatch(given) else token_hex(16)


def trace_of(scope: AsgiScope) -> tuple[str, str] | None:
    """Return the trace that the request is part of, and its flags; None without a valid one."""
    given = header_of(scope, TRACE_KEY)
    found = None if given is None else _TRACE.match(given)
    if found is None or not int(found["trace"], 16) or not int(found["parent"], 16):
        return None
    return found["trace"], found["flags"]


def traceparent(trace: str, flags: str) -> str:
    """Return the header that names this server's part of the trace."""
    return f"00-{trace}-{token_hex(8)}-{flags}"
