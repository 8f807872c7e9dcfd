"""The routes beside predict: whether the server lives, is ready, how it does, and what was true."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bentos.predictor.answer import as_json, refusal
from bentos.predictor.body import Unacceptable, kind_of, read_body
from bentos.predictor.caller import is_local
from bentos.predictor.feedback_log import FeedbackLog
from bentos.predictor.keys import Guard
from bentos.predictor.lane import Unavailable
from bentos.predictor.measures import CONTENT_TYPE, Measures
from bentos.predictor.passes import Loaded
from bentos.predictor.serving import Serving
from ml_assets.core.feedback import FeedbackSchema, Truth
from ml_assets.core.release import Release
from ml_assets.core.request_rows import Refused

CLIENT_CLOSED = 499
NOT_LOADED = "No release is loaded yet: see GET /readyz."


class Operations:
    """Answers what is asked of the server itself.

    Args:
        serving: Holds the release that answers.
        guard: Knows the keys.
        measures: The figures.
        log: Keeps feedback.
    """

    def __init__(
        self, serving: Serving, guard: Guard, measures: Measures, log: FeedbackLog
    ) -> None:
        self._serving = serving
        self._guard = guard
        self._measures = measures
        self._log = log
        # The disk may take its time; the event loop may not.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="feedback")

    def install(self, app: Starlette) -> None:
        """Add the routes."""
        app.router.routes.extend(
            [
                Route("/livez", self._alive),
                Route("/readyz", self._ready),
                Route("/metrics", self._figures),
                Route("/feedback", self._feedback, methods=["POST"]),
            ]
        )

    def close(self) -> None:
        """Write what was taken, then free everything."""
        self._writer.shutdown(wait=True)

    async def _alive(self, _: Request) -> Response:
        return as_json({"alive": True})

    async def _ready(self, request: Request) -> Response:
        try:
            self._guard.ring()
        except Unacceptable as error:
            return _not_ready(str(error), failed=True)
        if self._serving.lane.closed:
            return _not_ready("The server is stopping.", failed=False)
        loaded = self._serving.loaded
        if loaded is not None:
            return as_json({"ready": True, "version": loaded.version, "revision": loaded.revision})
        failure = self._serving.error
        reason = "A release is being loaded." if failure is None else "No release can be served."
        # The reason names folders of this machine: only who is on it gets to see it.
        told = f"{reason} {failure}" if failure is not None and is_local(request.scope) else reason
        return _not_ready(told, failed=failure is not None)

    async def _figures(self, _: Request) -> Response:
        return Response(self._measures.text(), headers={"content-type": CONTENT_TYPE})

    async def _feedback(self, request: Request) -> Response:
        loaded = self._serving.loaded
        if loaded is None:
            raise Unavailable(NOT_LOADED)
        release = loaded.predictor.release
        if kind_of(request.scope) != "json":
            raise Unacceptable(415, "Feedback is JSON: content-type application/json.")
        try:
            body = await read_body(request.scope, request.receive, limit=release.body_limit)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED)  # nobody is there to read it
        truths = feedback_schema(release).decode(body)
        if isinstance(truths, Refused):
            return refusal(truths)
        key = getattr(request.state, "key", None)
        writing = self._writer.submit(self._keep, truths, loaded, key.name if key else None)
        await asyncio.wrap_future(writing)
        self._measures.feedback.inc(len(truths))
        return as_json({"taken": len(truths)}, status=202)

    def _keep(self, truths: tuple[Truth, ...], loaded: Loaded, by: str | None) -> None:
        problem = loaded.predictor.release.problem
        self._log.append(truths, problem=problem, received_at=datetime.now(UTC), by=by)


def feedback_schema(release: Release) -> FeedbackSchema:
    """Return the decoder of feedback on what a release answered."""
    return FeedbackSchema(release.task, release.classes, release.max_rows)


def _not_ready(reason: str, *, failed: bool) -> Response:
    return as_json({"ready": False, "failed": failed, "reason": reason}, status=503)
