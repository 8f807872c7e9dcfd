"""An endpoint that reads its body and says nothing, in the same stack as the predictor."""

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.predictor.service import BEHAVIOUR


async def _empty(request: Request) -> Response:
    await request.body()
    return Response(b'{"predictions":[0.0]}', media_type="application/json")


routes = Starlette(routes=[Route("/predict", _empty, methods=["POST"])])


@bentoml.service(name="empty", **BEHAVIOUR)
@bentoml.asgi_app(routes, path="/")
class EmptyService:
    """Answers nothing."""
