"""The two clients: one that blocks, one for asyncio. Both only do what the protocol says."""

import asyncio
import re
import ssl
import time
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import uuid4

import httpx

from ml_assets.client.predictions import Predictions, ServedRelease
from ml_assets.client.protocol import Conversation, Outcome, Protocol, Send, Wait
from ml_assets.client.retrying import Retry
from ml_assets.client.rows import Row, plain_rows

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
TIMEOUT_SECONDS = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,118}")  # the server's 128, less a part's number


class _Settings:
    """What both clients are made of.

    Args:
        url: Address of the server, such as ``https://models.example.org``.
        api_key: Key the server wants, if it wants one.
        timeout: Seconds until a request counts as unanswered.
        retry: How patient the client is.
        max_rows: Rows in one request, at most; by default the server is asked once.
        verify: Certificates to trust: True trusts the usual ones, or give a context.

    Raises:
        ValueError: If the address holds a user or a password, or is none.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retry: Retry | None = None,
        max_rows: int | None = None,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        address = httpx.URL(url)
        if address.scheme not in ("http", "https") or not address.host:
            message = "The address of a server begins with http:// or https:// and a host."
            raise ValueError(message)
        if address.userinfo:
            message = "The address holds a user or a password. Give api_key instead."
            raise ValueError(message)
        if max_rows is not None and max_rows < 1:
            message = f"max_rows is {max_rows}; a request holds at least one row."
            raise ValueError(message)
        self._url = str(address).rstrip("/")
        self._timeout = timeout
        self._verify = verify
        self._max_rows = max_rows
        self._protocol = Protocol(api_key, retry or Retry())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def _predict(
        self, rows: "Row | Sequence[Row] | pd.DataFrame", request_id: str | None
    ) -> Conversation[Predictions]:
        name = _named(request_id)
        plain = plain_rows(rows)
        most = self._max_rows
        if most is None and len(plain) > 1:
            most = yield from self._protocol.most_rows(request_id=_named(None))
            self._max_rows = most
        return (
            yield from self._protocol.predict(plain, request_id=name, max_rows=most or len(plain))
        )

    def _frame(self, frame: "pd.DataFrame", request_id: str | None) -> "Conversation[pd.DataFrame]":
        predictions = yield from self._predict(frame, request_id)
        return predictions.to_frame().set_axis(frame.index, axis=0)


class Client(_Settings):
    """Asks a server and waits for the answer. Use it in a ``with``, or ``close`` it.

    One client may be shared by threads.
    """

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(base_url=self._url, timeout=self._timeout, verify=self._verify)

    def predict(
        self, rows: "Row | Sequence[Row] | pd.DataFrame", *, request_id: str | None = None
    ) -> Predictions:
        """Return one prediction a row.

        Args:
            rows: One row, several, or a frame. NaN in a frame means missing.
            request_id: Name of the request, for the log and feedback; by default a random one.
                Where the rows take several requests, each adds ``.0``, ``.1`` and so on.

        Raises:
            ClientError: See ``ml_assets.client.errors``.
        """
        return self._hold(self._predict(rows, request_id))

    def predict_frame(
        self, frame: "pd.DataFrame", *, request_id: str | None = None
    ) -> "pd.DataFrame":
        """Return ``Predictions.to_frame`` with the index of ``frame``, ready to join."""
        return self._hold(self._frame(frame, request_id))

    def feedback(
        self, request_id: str, truth: object, *, row: int = 0, at: datetime | None = None
    ) -> None:
        """Tell the truth of a row that was predicted.

        Args:
            request_id: Name of the request that predicted it.
            truth: What really happened: a value of the target.
            row: Position of the row in that request.
            at: When the truth became known; by default now.
        """
        self._hold(self._protocol.feedback(request_id, truth, row=row, at=at))

    def release(self) -> ServedRelease:
        """Return what is served."""
        return self._hold(self._protocol.release(request_id=_named(None)))

    def ready(self) -> bool:
        """Return whether the server answers; it is asked once."""
        return self._hold(self._protocol.ready(request_id=_named(None)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _hold(self, conversation: Conversation[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                return done.value
            match step:
                case Wait(seconds):
                    time.sleep(seconds)
                    outcome = None
                case Send(method, path, headers, content):
                    try:
                        outcome = self._http.request(method, path, headers=headers, content=content)
                    except httpx.TransportError as error:
                        outcome = error


class AsyncClient(_Settings):
    """Asks a server from asyncio; the methods are those of ``Client``, awaited."""

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._url, timeout=self._timeout, verify=self._verify)

    async def predict(
        self, rows: "Row | Sequence[Row] | pd.DataFrame", *, request_id: str | None = None
    ) -> Predictions:
        """Return one prediction a row: see ``Client.predict``."""
        return await self._hold(self._predict(rows, request_id))

    async def predict_frame(
        self, frame: "pd.DataFrame", *, request_id: str | None = None
    ) -> "pd.DataFrame":
        """Return a frame of predictions: see ``Client.predict_frame``."""
        return await self._hold(self._frame(frame, request_id))

    async def feedback(
        self, request_id: str, truth: object, *, row: int = 0, at: datetime | None = None
    ) -> None:
        """Tell the truth of a row that was predicted: see ``Client.feedback``."""
        await self._hold(self._protocol.feedback(request_id, truth, row=row, at=at))

    async def release(self) -> ServedRelease:
        """Return what is served."""
        return await self._hold(self._protocol.release(request_id=_named(None)))

    async def ready(self) -> bool:
        """Return whether the server answers; it is asked once."""
        return await self._hold(self._protocol.ready(request_id=_named(None)))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _hold(self, conversation: Conversation[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                return done.value
            match step:
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                    outcome = None
                case Send(method, path, headers, content):
                    try:
                        outcome = await self._http.request(
                            method, path, headers=headers, content=content
                        )
                    except httpx.TransportError as error:
                        outcome = error


def _named(request_id: str | None) -> str:
    if request_id is None:
        return uuid4().hex
    if not _REQUEST_ID.fullmatch(request_id):
        message = "request_id holds 1 to 118 letters, digits, '.', '_' or '-'."
        raise ValueError(message)
    return request_id
