"""The route that is asked all the time: a body in, predictions out."""

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bentos.predictor.answer import as_json, respond
from bentos.predictor.body import Unacceptable, kind_of, read_body, request_id_of
from bentos.predictor.lane import Unavailable
from bentos.predictor.passes import Answered, Request
from bentos.predictor.serving import Serving

PATH = "/predict"
CLIENT_CLOSED = 499
RETRY_SECONDS = "1"


class Predict:
    """Answers a request, as an application of its own: nothing more than needed is around it.

    Args:
        serving: Holds the release that answers.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            Unacceptable: If the request is refused before its content is looked at.
            Unavailable: If no release is loaded, too many requests wait, or the server is stopping.
            ServingError: If the answer cannot be logged.
        """
        limit = self._serving.ready().predictor.release.body_limit
        request_id, kind = request_id_of(scope), kind_of(scope)
        try:
            body = await read_body(scope, receive, limit=limit)
        except ClientDisconnect:
            await Response(status_code=CLIENT_CLOSED)(scope, receive, send)  # nobody reads it
            return
        outcome = await self._serving.submit(Request(body, kind, request_id))
        if isinstance(outcome, Answered):
            scope.setdefault("state", {})["rows"] = outcome.rows_by_version
        await respond(outcome, scope)(scope, receive, send)


class Shortcut:
    """Middleware that spares predictions the search for their route.

    Args:
        app: Knows all routes.
        predict: Answers predictions.
    """

    def __init__(self, app: ASGIApp, predict: Predict) -> None:
        self._app = app
        self._predict = predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a prediction be answered, and everything else find its route."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            await self._predict(scope, receive, send)
        except Unacceptable as error:
            await refused(error)(scope, receive, send)
        except Unavailable as error:
            await unavailable(error)(scope, receive, send)


def refused(error: Unacceptable) -> Response:
    """Return the answer to a request that is refused before its content is looked at."""
    return as_json({"error": str(error)}, status=error.status, headers=error.headers)


def unavailable(error: Exception) -> Response:
    """Return the answer to a request that was not taken."""
    headers = {"retry-after": RETRY_SECONDS}
    return as_json({"error": f"{error} Try again later."}, status=503, headers=headers)
