"""The HTTP routes: predict, and what describes the server."""

import asyncio
import logging
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bentos.predictor.body import (
    REQUEST_ID_HEADER,
    Unacceptable,
    read_body,
    request_id_of,
)
from bentos.predictor.log import named_probabilities
from bentos.predictor.openapi import describe
from bentos.predictor.page import index_page
from bentos.predictor.serving import Answered, Loaded, Serving, refusal
from ml_assets.core.request_schema import Refused

logger = logging.getLogger(__name__)
CLIENT_CLOSED = 499


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
            Route("/predict", _predict, methods=["POST"]),
            Route("/release", _release),
            Route("/openapi.json", _openapi),
        ]
    )
    app.add_exception_handler(Unacceptable, _unacceptable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)


def _json(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:  # noqa: ANN401
    body = orjson.dumps(content)
    return Response(body, status, headers, media_type="application/json")


def _serving(request: Request) -> Serving:
    return request.app.state.serving


def _loaded(request: Request) -> Loaded:
    loaded = _serving(request).loaded
    if loaded is None:
        raise Unacceptable(503, "No release is loaded yet: see GET /release.")
    return loaded


async def _predict(request: Request) -> Response:
    request_id = request_id_of(request)
    limit = _loaded(request).predictor.release.body_limit
    try:
        body = await read_body(request, limit=limit)
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED)  # nobody is there to read it
    outcome = await asyncio.wrap_future(_serving(request).submit(body, request_id=request_id))
    match outcome:
        case Refused(status=status):
            return _json(refusal(outcome), status=status)
        case Answered():
            request.state.rows = len(outcome.answers.predictions)
            return _answer(outcome)


def _answer(answered: Answered) -> Response:
    loaded, answers = answered.loaded, answered.answers
    content = {
        "request_id": answered.request_id,
        "version": loaded.version,
        "revision": loaded.revision,
        "predictions": answers.predictions,
    }
    if answers.probabilities is not None:
        rows = range(len(answers.predictions))
        content["probabilities"] = [named_probabilities(answers, row) for row in rows]
    headers = {"x-model-version": loaded.version, REQUEST_ID_HEADER: answered.request_id}
    return _json(content, headers=headers)


async def _release(request: Request) -> Response:
    return _json(_serving(request).status())


async def _openapi(request: Request) -> Response:
    return _json(describe(_loaded(request).predictor))


async def _index(request: Request) -> Response:
    return HTMLResponse(index_page(_serving(request), str(request.base_url)))


async def _unacceptable(_: Request, error: Exception) -> Response:
    if not isinstance(error, Unacceptable):
        raise error
    return _json({"error": str(error)}, status=error.status, headers=error.headers)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    return _json({"error": error.detail}, status=error.status_code, headers=headers)


async def _failed(_: Request, error: Exception) -> Response:
    # The reason stays in the server's log: it may name values of other callers.
    logger.error("A request failed.", exc_info=error)
    return _json({"error": "The server could not answer; its log says why."}, status=500)
