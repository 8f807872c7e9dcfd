"""One way into the process. This module stays light: the watching process imports it too."""

from typing import Any

# What ``service_class`` takes; BentoML has no public name for it.
from _bentoml_sdk import Service
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

# The process that watches the worker imports this module too: it stays light without the routes.
routes = Starlette()


class OneDoor:
    """Sends all HTTP requests to one application; what frames it sees the process's life only.

    BentoML adds routes of its own, such as pages that load scripts from elsewhere, and layers that
    start a task and a timer for each request. Nothing is reachable that does not pass the door.

    Args:
        frame: Starts and ends with the process.
        routes: Answers.
    """

    def __init__(self, frame: ASGIApp, routes: ASGIApp) -> None:
        self._frame = frame
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to the routes, and the process's life to what frames them."""
        await (self._routes if scope["type"] == "http" else self._frame)(scope, receive, send)


class OneDoorService(Service[Any]):
    """A BentoML service that is entered by one door."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Return the application that the worker serves."""
        return OneDoor(super().to_asgi(is_main), routes)
