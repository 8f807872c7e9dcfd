"""The conversation with a server, without any I/O.

Each conversation is a generator. It yields what is to be done next, a request to send or seconds
to wait, is sent the outcome, and returns what the caller asked for. ``Client`` and ``AsyncClient``
only do what it yields, so both behave alike.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from ml_assets.client.errors import (
    Fault,
    Refused,
    ServerFailed,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
)
from ml_assets.client.predictions import Answer, Predictions, ServedRelease
from ml_assets.client.retrying import RETRIED_STATUSES, Retry, retry_after
from ml_assets.client.rows import body_of, plain

REQUEST_ID_HEADER = "x-request-id"
T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """A request to send; the outcome is its answer, or why there is none."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | None = None


@dataclass(frozen=True)
class Wait:
    """Seconds to wait."""

    seconds: float


Outcome = httpx.Response | httpx.TransportError | None
Conversation = Generator[Send | Wait, Outcome, T]


@dataclass(frozen=True)
class Protocol:
    """How requests are written and answers read.

    Attributes:
        api_key: Key that is sent with each request, if the server wants one.
        retry: How patient the client is.
    """

    api_key: str | None
    retry: Retry

    def predict(
        self, rows: Sequence[Mapping[str, Any]], *, request_id: str, max_rows: int
    ) -> Conversation[Predictions]:
        """Ask for the predictions of rows, at most ``max_rows`` in one request.

        The requests go one after the other: rows of one entity stay in their order.
        """
        answers = []
        several = len(rows) > max_rows
        for number, start in enumerate(range(0, len(rows), max_rows)):
            part = rows[start : start + max_rows]
            name = f"{request_id}.{number}" if several else request_id
            body = body_of({"rows": part})
            response = yield from self._ask("POST", "/predict", request_id=name, content=body)
            self._accept(response, request_id=name, first_row=start)
            answers.append(_answer(response, request_id=name, rows=len(part)))
        return Predictions(tuple(answers))

    def most_rows(self, *, request_id: str) -> Conversation[int]:
        """Ask how many rows a request may hold."""
        content = yield from self._read("/openapi.json", request_id=request_id)
        try:
            body = content["paths"]["/predict"]["post"]["requestBody"]["content"]
            forms = body["application/json"]["schema"]["oneOf"]
            (most,) = {form["properties"]["rows"]["maxItems"] for form in forms if _many(form)}
        except (KeyError, TypeError, ValueError) as error:
            reason = "/openapi.json does not say how many rows a request may hold; give max_rows"
            raise UnexpectedAnswer(reason, status=200, request_id=request_id) from error
        return int(most)

    def feedback(
        self, request_id: str, truth: object, *, row: int, at: datetime | None
    ) -> Conversation[None]:
        """Tell the truth of a row that was predicted."""
        content = {"request_id": request_id, "row": row, "truth": plain(truth, place="The truth")}
        if at is not None:
            content["at"] = plain(at, place="The time of the truth")
        body = body_of(content)
        response = yield from self._ask("POST", "/feedback", request_id=request_id, content=body)
        self._accept(response, request_id=request_id)

    def release(self, *, request_id: str) -> Conversation[ServedRelease]:
        """Ask what is served."""
        content = yield from self._read("/release", request_id=request_id)
        try:
            known = {
                name: content[name] for name in ServedRelease.__annotations__ if name in content
            }
            if known.get("since") is not None:
                known["since"] = datetime.fromisoformat(known["since"])
            return ServedRelease(**known)
        except (AttributeError, TypeError, ValueError) as error:
            reason = "/release does not say what is served"
            raise UnexpectedAnswer(reason, status=200, request_id=request_id) from error

    def ready(self, *, request_id: str) -> Conversation[bool]:
        """Ask, once, whether the server answers."""
        outcome = yield Send("GET", "/readyz", self._headers(request_id))
        return isinstance(outcome, httpx.Response) and outcome.status_code == httpx.codes.OK

    def _read(self, path: str, *, request_id: str) -> Conversation[Any]:
        response = yield from self._ask("GET", path, request_id=request_id)
        self._accept(response, request_id=request_id)
        return _content(response, request_id=request_id)

    def _ask(
        self, method: str, path: str, *, request_id: str, content: bytes | None = None
    ) -> Conversation[httpx.Response]:
        """Send a request until there is an answer; all attempts carry one request id."""
        send = Send(method, path, self._headers(request_id), content)
        attempt = 0
        while True:
            attempt += 1
            outcome = yield send
            if isinstance(outcome, httpx.Response) and outcome.status_code not in RETRIED_STATUSES:
                return outcome
            asked, status, reason = _failure(outcome)
            seconds = self.retry.wait(attempt, asked=asked)
            if seconds is None:
                cause = outcome if isinstance(outcome, httpx.TransportError) else None
                raise Unavailable(
                    reason, attempts=attempt, request_id=request_id, status=status
                ) from cause
            yield Wait(seconds)

    def _headers(self, request_id: str) -> dict[str, str]:
        headers = {REQUEST_ID_HEADER: request_id, "content-type": "application/json"}
        if self.api_key is not None:
            headers["authorization"] = f"Bearer {self.api_key}"
        return headers

    def _accept(self, response: httpx.Response, *, request_id: str, first_row: int = 0) -> None:
        """Raise what an answer means that is no success."""
        status = response.status_code
        if response.is_success:
            return
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Unauthorised(status, key_given=self.api_key is not None)
        if response.is_server_error:
            raise ServerFailed(status, request_id=request_id)
        content = _content(response, request_id=request_id)
        if not isinstance(content, dict) or not isinstance(content.get("error"), str):
            reason = "it refuses the request and does not say why"
            raise UnexpectedAnswer(reason, status=status, request_id=request_id)
        faults = [_fault(fault, first_row) for fault in content.get("faults", ())]
        raise Refused(status, content["error"], faults=faults, request_id=request_id)


def _failure(outcome: Outcome) -> tuple[float | None, int | None, str]:
    if isinstance(outcome, httpx.Response):
        asked = retry_after(outcome.headers.get("retry-after"), now=datetime.now(UTC))
        return asked, outcome.status_code, f"status {outcome.status_code}"
    return None, None, type(outcome).__name__


def _many(form: object) -> bool:
    return isinstance(form, dict) and set(form.get("properties", ())) == {"rows"}


def _content(response: httpx.Response, *, request_id: str) -> Any:  # noqa: ANN401
    try:
        return response.json()
    except ValueError as error:
        reason = "it is not JSON"
        raise UnexpectedAnswer(
            reason, status=response.status_code, request_id=request_id
        ) from error


def _answer(response: httpx.Response, *, request_id: str, rows: int) -> Answer:
    content = _content(response, request_id=request_id)
    try:
        shares = content.get("probabilities")
        answer = Answer(
            request_id=content["request_id"],
            versions=tuple(content.get("versions") or [content["version"]] * rows),
            revision=content["revision"],
            predictions=tuple(content["predictions"]),
            probabilities=None if shares is None else tuple(shares),
            intervals=_tuples(content.get("intervals")),
            sets=_tuples(content.get("sets")),
            unfamiliar=_tuples(content.get("unfamiliar")),
            intervention=content.get("intervention"),
        )
    except (AttributeError, KeyError, TypeError) as error:
        reason = "it holds no predictions"
        raise UnexpectedAnswer(
            reason, status=response.status_code, request_id=request_id
        ) from error
    found = len(answer.predictions)
    others = (
        answer.versions,
        answer.predictions,
        answer.probabilities,
        answer.intervals,
        answer.sets,
        answer.unfamiliar,
    )
    if any(values is not None and len(values) != rows for values in others):
        reason = f"it has {found} predictions for {rows} rows"
        raise UnexpectedAnswer(reason, status=response.status_code, request_id=request_id)
    return answer


def _tuples(values: Any) -> Any:  # noqa: ANN401
    """Return lists as tuples, for an answer does not change."""
    if not isinstance(values, list):
        return values
    return tuple(_tuples(value) for value in values)


def _fault(fault: Mapping[str, Any], first_row: int) -> Fault:
    row = fault.get("row")
    place = None if row is None else first_row + row
    return Fault(place, fault.get("column"), fault.get("rule", ""), fault.get("message", ""))
