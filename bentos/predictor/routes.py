"""The HTTP routes: predict, and what describes the server."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bentos.predictor.answer import as_json, respond
from bentos.predictor.body import Unacceptable, kind_of, read_body, request_id_of
from bentos.predictor.lane import Unavailable
from bentos.predictor.openapi import describe
from bentos.predictor.openapi_entrance import with_entrance
from bentos.predictor.page import index_page
from bentos.predictor.passes import Answered, Loaded
from bentos.predictor.passes import Request as Asked
from bentos.predictor.serving import Serving

logger = logging.getLogger(__name__)
CLIENT_CLOSED = 499
RETRY_SECONDS = "1"


def install(app: Starlette, serving: Serving) -> None:
    """Add the routes to an application that has not been asked yet.

    Args:
        app: The application.
        serving: Holds the release that answers.
    """
    app.state.serving = serving
    app.router.routes.extend(
        [
            Route("/", _index),
            # As an application, not as a function: nothing more than needed is wrapped around it.
            Route("/predict", _Predict(), methods=["POST"]),
            Route("/release", _release),
            Route("/openapi.json", _openapi),
        ]
    )
    app.add_exception_handler(Unacceptable, _unacceptable)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)


def _serving(request: Request) -> Serving:
    return request.app.state.serving


def _loaded(request: Request) -> Loaded:
    loaded = _serving(request).loaded
    if loaded is None:
        message = "No release is loaded yet: see GET /release."
        raise Unavailable(message)
    return loaded


class _Predict:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await _predict(Request(scope, receive, send))
        await answer(scope, receive, send)


async def _predict(request: Request) -> Response:
    serving = _serving(request)
    limit = _loaded(request).predictor.release.body_limit
    request_id, kind = request_id_of(request), kind_of(request)
    try:
        body = await read_body(request, limit=limit)
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED)  # nobody is there to read it
    outcome = await serving.submit(Asked(body, kind, request_id))
    if isinstance(outcome, Answered):
        request.state.rows = outcome.rows_by_version
    return respond(outcome, request)


async def _release(request: Request) -> Response:
    return as_json(_serving(request).status())


async def _openapi(request: Request) -> Response:
    predictor = _loaded(request).predictor
    return as_json(with_entrance(describe(predictor), predictor.release))


async def _index(request: Request) -> Response:
    return HTMLResponse(index_page(_serving(request), str(request.base_url)))


async def _unacceptable(_: Request, error: Exception) -> Response:
    if not isinstance(error, Unacceptable):
        raise error
    return as_json({"error": str(error)}, status=error.status, headers=error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    headers = {"retry-after": RETRY_SECONDS}
    return as_json({"error": f"{error} Try again later."}, status=503, headers=headers)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    return as_json({"error": error.detail}, status=error.status_code, headers=headers)


async def _failed(_: Request, error: Exception) -> Response:
    # The reason stays in the server's log: it may name values of other callers.
    logger.error("A request failed.", exc_info=error)
    return as_json({"error": "The server could not answer; its log says why."}, status=500)
