"""An outcome as an HTTP response, in the form that the caller asked for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
import pyarrow as pa
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bentos.predictor.body import ARROW_TYPE, REQUEST_ID_HEADER, REQUEST_ID_KEY, header_of
from bentos.predictor.log import named_probabilities
from bentos.predictor.passes import Answered, Conflict, Outcome
from ml_assets.core.assurance import AssuredRows
from ml_assets.core.request_rows import Refused

VERSION_KEY = b"x-model-version"


def as_json(
    content: Any,  # noqa: ANN401
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that holds JSON."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


class _Sent:
    """A response that is there already: what is said of it in general need not be made again.

    Args:
        body: All of it.
        kind: Its content-type.
        headers: Further headers.
    """

    def __init__(self, body: bytes, kind: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self._body = body
        size = (b"content-length", b"%d" % len(body))
        self._headers = [*headers, size, (b"content-type", kind)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def respond(outcome: Outcome, scope: Scope) -> ASGIApp:
    """Return the response to a request.

    Args:
        outcome: What became of it.
        scope: What ASGI says of it; its ``accept`` header asks for JSON or for an Arrow stream.
    """
    match outcome:
        case Answered():
            headers = [(REQUEST_ID_KEY, outcome.request_id.encode("ascii"))]
            if outcome.version is not None:
                headers.append((VERSION_KEY, outcome.version.encode("latin-1")))
            if ARROW_TYPE in (header_of(scope, b"accept") or ""):
                return _Sent(_arrow(outcome), ARROW_TYPE.encode(), headers)
            return _Sent(orjson.dumps(_content(outcome)), b"application/json", headers)
        case Refused():
            return refusal(outcome)
        case Conflict():
            message = (
                f"The {REQUEST_ID_HEADER} {outcome.request_id!r} was given to another request. "
                "Give each request its own; only a retry has the same name and the same body."
            )
            return as_json({"error": message}, status=409)


def refusal(refused: Refused) -> Response:
    """Return the response to a request whose content is refused."""
    faults = [asdict(fault) for fault in refused.faults]
    content = {"error": refused.faults[0].message, "faults": faults}
    return as_json(content, status=refused.status)


def _content(answered: Answered) -> dict[str, Any]:
    content: dict[str, Any] = {
        "request_id": answered.request_id,
        "version": answered.version,
        "revision": answered.revision,
        "predictions": answered.answers.predictions,
    }
    if answered.versions is not None:
        content["versions"] = answered.versions
    probabilities = named_probabilities(answered.answers)
    if probabilities is not None:
        content["probabilities"] = probabilities
    if answered.answers.beside is not None:
        content |= _said(answered.answers.beside)
    return content


def _said(beside: AssuredRows) -> dict[str, Any]:
    """Return what stands beside the predictions, under the names that callers know."""
    told = {
        "intervals": beside.intervals,
        "sets": beside.sets,
        "unfamiliar": beside.unfamiliar,
        "intervention": beside.intervention,
    }
    return {name: value for name, value in told.items() if value is not None}


def _arrow(answered: Answered) -> bytes:
    """Return one row a prediction; what holds for all of them is the schema's metadata."""
    answers = answered.answers
    columns: dict[str, list[Any]] = {"prediction": answers.predictions}
    if answers.probabilities is not None:
        names = [f"probability_{name}" for name in answers.classes]
        shares = map(list, zip(*answers.probabilities, strict=True))
        columns |= dict(zip(names, shares, strict=True))
    if answers.beside is not None:
        columns |= _columns(answers.beside)
    told = {"request_id": answered.request_id, "revision": str(answered.revision)}
    if answers.beside is not None and answers.beside.intervention is not None:
        told["intervention"] = answers.beside.intervention
    if answered.version is not None:
        told["version"] = answered.version
    else:
        columns["version"] = list(answered.versions or ())
    table = pa.table(columns).replace_schema_metadata(told)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _columns(beside: AssuredRows) -> dict[str, list[Any]]:
    """Return the same as columns of an Arrow table."""
    columns: dict[str, list[Any]] = {}
    if beside.intervals is not None:
        columns["low"], columns["high"] = map(list, zip(*beside.intervals, strict=True))
    if beside.sets is not None:
        columns["set"] = beside.sets
    if beside.unfamiliar is not None:
        columns["unfamiliar"] = beside.unfamiliar
    return columns
