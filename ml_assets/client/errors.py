"""What can go wrong between a caller and a server, drawn as a tree.

ClientError
├── Unsendable          the rows cannot be written as a request; nothing was sent
├── Refused             the server says what is wrong with the request; asking again does not help
├── Unauthorised        the key is missing, wrong or not allowed to do this
├── Unavailable         the server could not be reached or is overloaded, after all attempts
├── ServerFailed        the server met a fault of its own (status 5xx) that waiting does not mend
└── UnexpectedAnswer    the answer is not what the protocol says: another server, or a proxy

A message holds what the server said and where; it never adds values of the caller's rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class ClientError(Exception):
    """Base of every error the client raises on purpose."""


class Unsendable(ClientError):  # noqa: N818 - it says what happened
    """The rows cannot be written as a request."""


@dataclass(frozen=True)
class Fault:
    """One reason why a request is refused.

    Attributes:
        row: Position of the row in what was given to the call, from 0; None if the request as a
            whole is wrong.
        column: The field at fault, where there is one.
        rule: Which rule is broken, in one word.
        message: What was wrong and what is expected, in the server's words.
    """

    row: int | None
    column: str | None
    rule: str
    message: str


class Refused(ClientError):  # noqa: N818 - it says what happened
    """The server refuses the request.

    Args:
        status: HTTP status.
        message: What the server said.
        faults: What is wrong, row by row.
        request_id: Name of the request.
    """

    def __init__(
        self, status: int, message: str, *, faults: Sequence[Fault], request_id: str
    ) -> None:
        self.status = status
        self.faults = tuple(faults)
        self.request_id = request_id
        more = f" ({len(faults)} faults in all)" if len(faults) > 1 else ""
        super().__init__(f"{_place(self.faults)}{message}{more}")


class Unauthorised(ClientError):  # noqa: N818 - it says what happened
    """The server does not accept the key.

    Args:
        status: HTTP status, 401 or 403.
        key_given: Whether the client has a key.
    """

    def __init__(self, status: int, *, key_given: bool) -> None:
        self.status = status
        known = "does not accept the api_key" if key_given else "wants an api_key"
        super().__init__(f"The server {known} (status {status}). Ask its operator for a key.")


class Unavailable(ClientError):  # noqa: N818 - it says what happened
    """The server did not answer, after all attempts.

    Args:
        reason: What the last attempt met.
        attempts: How often the request was sent.
        request_id: Name of the request, the same in all attempts.
        status: HTTP status of the last answer, if there was one.
    """

    def __init__(
        self, reason: str, *, attempts: int, request_id: str, status: int | None = None
    ) -> None:
        self.attempts = attempts
        self.request_id = request_id
        self.status = status
        times = "once" if attempts == 1 else f"{attempts} times"
        super().__init__(
            f"The server was asked {times} and did not answer: {reason}. Try again later with the "
            f"same request id {request_id!r}, and look at GET /readyz of the server."
        )


class ServerFailed(ClientError):  # noqa: N818 - it says what happened
    """The server met a fault of its own.

    Args:
        status: HTTP status.
        request_id: Name of the request.
    """

    def __init__(self, status: int, *, request_id: str) -> None:
        self.status = status
        self.request_id = request_id
        super().__init__(
            f"The server failed on request {request_id!r} (status {status}). Its log says why."
        )


class UnexpectedAnswer(ClientError):  # noqa: N818 - it says what happened
    """The answer is not what the protocol says.

    Args:
        reason: What is wrong with it.
        status: Its HTTP status.
        request_id: Name of the request.
    """

    def __init__(self, reason: str, *, status: int, request_id: str) -> None:
        self.status = status
        self.request_id = request_id
        super().__init__(
            f"The answer to request {request_id!r} cannot be used: {reason} (status {status}). Is "
            "the address that of a prediction server?"
        )


def _place(faults: Sequence[Fault]) -> str:
    if not faults or faults[0].row is None:
        return ""
    return f"Row {faults[0].row}: "
