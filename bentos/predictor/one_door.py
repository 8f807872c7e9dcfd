"""One way into the process. This module stays light: the watching process imports it too."""

from starlette.types import ASGIApp, Receive, Scope, Send


class OneDoor:
    """Sends all HTTP requests to one application; what frames it sees the process's life only.

    BentoML adds routes of its own, such as pages that load scripts from elsewhere. Nothing is
    reachable that does not pass the door.

    Args:
        app: What frames the application.
        routes: The application.
    """

    def __init__(self, app: ASGIApp, routes: ASGIApp) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request to the application, and the process's life to what frames it."""
        await (self._routes if scope["type"] == "http" else self._app)(scope, receive, send)
