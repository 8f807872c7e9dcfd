"""The HTTP routes: predict, and what describes the server."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from bentos.predictor.answer import as_json
from bentos.predictor.body import Unacceptable
from bentos.predictor.lane import Unavailable
from bentos.predictor.openapi import describe
from bentos.predictor.openapi_entrance import with_entrance
from bentos.predictor.page import index_page
from bentos.predictor.passes import Loaded
from bentos.predictor.predict import PATH, Predict, Shortcut, refused, unavailable
from bentos.predictor.serving import Serving

logger = logging.getLogger(__name__)


def install(app: Starlette, serving: Serving) -> None:
    """Add the routes to an application that has not been asked yet.

    Args:
        app: The application.
        serving: Holds the release that answers.
    """
    app.state.serving = serving
    predict = Predict(serving)
    app.router.routes.extend(
        [
            Route("/", _index),
            Route(PATH, predict, methods=["POST"]),
            Route("/release", _release),
            Route("/openapi.json", _openapi),
        ]
    )
    app.add_middleware(Shortcut, predict=predict)
    app.add_exception_handler(Unacceptable, _unacceptable)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)


def _serving(request: Request) -> Serving:
    return request.app.state.serving


def _loaded(request: Request) -> Loaded:
    return _serving(request).ready()


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
    return refused(error)


async def _unavailable(_: Request, error: Exception) -> Response:
    return unavailable(error)


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    return as_json({"error": error.detail}, status=error.status_code, headers=headers)


async def _failed(_: Request, error: Exception) -> Response:
    # The reason stays in the server's log: it may name values of other callers.
    logger.error("A request failed.", exc_info=error)
    return as_json({"error": "The server could not answer; its log says why."}, status=500)
