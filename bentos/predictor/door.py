"""The door: what every request passes on its way in, and every answer on its way out.

In: the key, then the rate limit. Out: the name of the request, its trace, the security headers, the
figures and, where a request was refused or failed, one line of log. Nobody outside learns more of a
failure than that it happened.
"""

import asyncio
import logging
import math
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from bentos.predictor.answer import VERSION_KEY
from bentos.predictor.body import REQUEST_ID_KEY, Unacceptable
from bentos.predictor.caller import (
    TRACE_KEY,
    address_of,
    name_of_request,
    trace_of,
    traceparent,
)
from bentos.predictor.keys import SCOPES, Guard
from bentos.predictor.measures import Measures
from bentos.predictor.serving import Serving
from bentos.predictor.structured_log import EVENT, where
from ml_assets.core.api_keys import ApiKey
from ml_assets.core.errors import SpoolError
from ml_assets.core.rate_limit import TokenBuckets

logger = logging.getLogger(__name__)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# Declared: nothing has failed.
COME_AGAIN = frozenset({503, 504})
OTHER = "other"
FAILED = "The server could not answer; its log says why."
LIMIT_SECONDS = 60.0
# The page needs its own style sheet and nothing else; a JSON answer needs nothing at all.
SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Door:
    """Middleware around the routes.

    Args:
        app: The routes.
        serving: Holds the release that answers.
        guard: Knows the keys.
        measures: Counts.
    """

    def __init__(self, app: ASGIApp, *, serving: Serving, guard: Guard, measures: Measures) -> None:
        self._app = app
        self._serving = serving
        self._guard = guard
        self._measures = measures
        self._buckets: TokenBuckets | None = None
        self._paths: frozenset[str | None] | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let a request in, and its answer out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send, self._version())
        self._measures.of_requests.in_flight += 1
        try:
            await self._pass(visit, receive)
        finally:
            self._measures.of_requests.in_flight -= 1
            self._record(visit)

    async def _pass(self, visit: "_Visit", receive: Receive) -> None:
        scope = visit.scope
        try:
            key = self._guard.admit(scope)
            self._limit(scope, key)
            scope["state"] = {**scope.get("state", {}), "key": key}
            visit.key = key
            await self._in_time(visit, receive)
        except Unacceptable as refused:
            await _tell(visit, receive, refused.status, str(refused), refused.headers)
        except Exception as error:  # whatever it was, the caller gets an answer
            visit.failure = error
            if isinstance(error, SpoolError):
                self._measures.log_errors.inc()
            if visit.status is None:
                await _tell(visit, receive, 500, FAILED, {})

    async def _in_time(self, visit: "_Visit", receive: Receive) -> None:
        """Let the routes answer.

        Raises:
            Unacceptable: With 504 if they take too long.
        """
        limit = asyncio.timeout(LIMIT_SECONDS)
        try:
            async with limit:
                await self._app(visit.scope, receive, visit.send)
        except TimeoutError as error:
            if limit.expired() and visit.status is None:
                text = f"It took longer than {LIMIT_SECONDS:g} seconds. Try again later."
                raise Unacceptable(504, text) from error
            raise

    def _limit(self, scope: AsgiScope, key: ApiKey | None) -> None:
        """Refuse a caller that asks too often.

        Raises:
            Unacceptable: With 429 and when to come again.
        """
        loaded = self._serving.loaded
        limit = None if loaded is None else loaded.predictor.release.rate_limit
        if limit is None or scope["path"] not in SCOPES:
            return
        if self._buckets is None or self._buckets.limit != limit:
            self._buckets = TokenBuckets(limit)
        caller = address_of(scope) if key is None else ("key", key.sha256)
        wait = self._buckets.take(caller, now=monotonic())
        if wait > 0:
            headers = {"retry-after": str(math.ceil(wait))}
            raise Unacceptable(429, "Too many requests: come again later.", headers)

    def _known_path(self, scope: AsgiScope) -> str:
        """Return the path if it is one of ours: whatever a stranger tries is one and the same."""
        if self._paths is None:
            application = scope.get("app")
            routes = application.routes if isinstance(application, Starlette) else ()
            self._paths = frozenset(getattr(route, "path", None) for route in routes)
        path = scope["path"]
        return path if path in self._paths else OTHER

    def _version(self) -> str:
        loaded = self._serving.loaded
        return "" if loaded is None else loaded.version

    def _record(self, visit: "_Visit") -> None:
        seconds = perf_counter() - visit.began
        path, status = self._known_path(visit.scope), visit.status or 0
        figures = self._measures.of_requests
        figures.answered(path, status, visit.version, seconds=seconds)
        for version, rows in visit.scope.get("state", {}).get("rows", {}).items():
            figures.rows[version] += rows
        if status < 400 and visit.failure is None:
            return
        method = visit.scope["method"]
        event: dict[str, Any] = {
            "request_id": visit.request_id,
            "trace_id": visit.trace[0] if visit.trace else None,
            "method": method if method in METHODS else OTHER,
            "path": path,
            "status": status,
            "ms": round(seconds * 1e3, 3),
            "version": visit.version,
            "key": visit.key.name if visit.key else None,
        }
        if visit.failure is not None:
            event |= _reason(visit.failure)
        failed = visit.failure is not None or (status >= 500 and status not in COME_AGAIN)
        text = "request failed" if failed else "request refused"
        logger.log(logging.ERROR if failed else logging.INFO, text, extra={EVENT: event})


@dataclass
class _Visit:
    """One request on its way through.

    Attributes:
        scope: What ASGI says of it.
        wire: Sends to the caller.
        version: Version that answers.
    """

    scope: AsgiScope
    wire: Send
    version: str
    began: float = field(default_factory=perf_counter)
    status: int | None = None
    key: ApiKey | None = None
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._name: str | None = None
        self.trace = trace_of(self.scope)

    @property
    def request_id(self) -> str:
        """Name of the request: the one it was answered under, the caller's, or a new one."""
        if self._name is None:
            self._name = name_of_request(self.scope)
        return self._name

    async def send(self, message: Message) -> None:
        """Send on, with what every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *SECURITY_HEADERS]
            given = dict(headers)
            name, version = given.get(REQUEST_ID_KEY), given.get(VERSION_KEY)
            if name is None:
                headers.append((REQUEST_ID_KEY, self.request_id.encode()))
            else:
                self._name = name.decode("latin-1")
            if version is not None:
                self.version = version.decode("latin-1")
            if self.trace is not None:
                headers.append((TRACE_KEY, traceparent(*self.trace).encode()))
            message["headers"] = headers
        await self.wire(message)


def put_door(app: Starlette, *, serving: Serving, guard: Guard, measures: Measures) -> None:
    """Put the door in front of routes that have not been asked yet."""
    # A redirection would name the host that the caller claims to have asked.
    app.router.redirect_slashes = False
    app.add_middleware(Door, serving=serving, guard=guard, measures=measures)
    app.state.measures = measures


async def _tell(
    visit: _Visit, receive: Receive, status: int, text: str, headers: dict[str, str]
) -> None:
    if status == 401:
        headers = {**headers, "www-authenticate": "Bearer"}
    body = orjson.dumps({"error": text})
    answer = Response(body, status, headers, media_type="application/json")
    await answer(visit.scope, receive, visit.send)


def _reason(failure: BaseException) -> dict[str, Any]:
    """Say what failed and where; of foreign errors not the text, which may hold values."""
    told: dict[str, Any] = {
        "failure": type(failure).__name__,
        "where": where(failure.__traceback__),
    }
    if isinstance(failure, SpoolError):
        told["reason"] = str(failure)
    return told
