"""Requests that come again: the same name and content get the same answer, and one log entry.

What is remembered is bounded by rows, the oldest first out: a retry comes soon or never. It is
gone when the process ends; readers of the log then see the newest line of each row.
"""

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

ROWS = 65_536
Answer = TypeVar("Answer")


def fingerprint(kind: str, body: bytes) -> bytes:
    """Return what two requests share if they ask the same."""
    return hashlib.blake2b(body, digest_size=16, person=kind.encode()[:16]).digest()


class Repeats(Generic[Answer]):
    """Answers by the name that callers gave their requests. For one thread at a time.

    Args:
        rows: Rows of the answers that are remembered together.
    """

    def __init__(self, rows: int = ROWS) -> None:
        self._bound = rows
        self._rows = 0
        self._found: OrderedDict[str, tuple[bytes, Answer, int]] = OrderedDict()

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._found

    def answer(self, request_id: str, asked: bytes) -> Answer | None:
        """Return the answer to a request that came before, or None if another content did.

        Args:
            request_id: A name that is known here.
            asked: Fingerprint of the request.
        """
        known, answer, _ = self._found[request_id]
        return answer if known == asked else None

    def remember(self, request_id: str, asked: bytes, answer: Answer, *, rows: int) -> None:
        """Remember an answer, and forget the oldest ones beyond the bound."""
        self._found[request_id] = (asked, answer, rows)
        self._rows += rows
        while self._rows > self._bound:
            _, (_, _, forgotten) = self._found.popitem(last=False)
            self._rows -= forgotten
