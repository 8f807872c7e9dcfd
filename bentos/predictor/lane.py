"""All requests that wait are answered at once, in one pass.

While a pass is computed, requests gather; the next pass takes all of them. There is no delay to
wait for more: a request that comes alone is computed alone, at once. Only while each turn of the
event loop brings further ones does a pass wait for the next turn.

A short pass is computed where its requests were read, in the event loop: two hand-overs between
threads cost more than it does. Everything else is computed in a worker thread, and the event loop
can still say that the process is alive.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")
# What the event loop may be kept from everything else.
SHORT_SECONDS = 0.01
# Turns of the event loop that may bring more requests before a pass begins: microseconds each.
MOST_TURNS = 8


class Unavailable(Exception):  # noqa: N818 - it is an answer, not a failure of the server
    """The request was not taken: come again."""


@dataclass(eq=False, slots=True)
class _Waiting(Generic[Asked, Outcome]):
    asked: Asked
    size: int
    future: "asyncio.Future[Outcome]"


class Lane(Generic[Asked, Outcome]):
    """Requests on their way to the worker and back. Asked from one event loop.

    Args:
        answer: Answers a pass of requests, in the worker thread: one outcome a request. What it
            raises fails all requests of the pass.
        capacity: Requests that may wait or be computed; more are turned away.
        pass_size: Size that the requests of one pass may have together; a single one may exceed it.
        short_size: Size up to which a pass may be computed in the event loop, as long as passes of
            its size turn out to be short.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Asked]], Sequence[Outcome]],
        *,
        capacity: int,
        pass_size: int,
        short_size: int = 0,
    ) -> None:
        self._answer = answer
        self._capacity = capacity
        self._pass_size = pass_size
        self._may_be_short = short_size
        self._short_size = short_size  # passes of that size have turned out to be short
        # Held by whoever computes; the event loop never waits for it.
        self._turn = threading.Lock()
        self._gathered: list[_Waiting[Asked, Outcome]] = []
        self._queue: SimpleQueue[_Waiting[Asked, Outcome] | Callable[[], None] | None] = (
            SimpleQueue()
        )
        self._inside = 0
        self._closed = False
        self._idle: asyncio.Event | None = None
        self._worker = threading.Thread(target=self._work, name="predictor", daemon=True)
        self._worker.start()

    @property
    def depth(self) -> int:
        """Requests that wait or are computed."""
        return self._inside

    @property
    def closed(self) -> bool:
        """Whether no more requests are taken."""
        return self._closed

    async def ask(self, asked: Asked, *, size: int) -> Outcome:
        """Return the outcome of a request, once its pass is over.

        Raises:
            Unavailable: If the lane is full or closed.
        """
        if self._closed or self._inside >= self._capacity:
            reason = "The server is stopping." if self._closed else "Too many requests are waiting."
            raise Unavailable(reason)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._inside += 1
        if not self._gathered:
            # What the sockets brought together is still to come in before that.
            loop.call_soon(self._gather, loop, 0, MOST_TURNS)
        self._gathered.append(_Waiting(asked, size, future))
        return await future

    def between_passes(self, change: Callable[[], Result]) -> Result:
        """Run something in the worker while no pass is under way, and return its result.

        Not to be called in the event loop, which waits for nothing.
        """
        done: Future[Result] = Future()

        def run() -> None:
            try:
                done.set_result(change())
            except BaseException as error:
                done.set_exception(error)

        self._queue.put(run)
        return done.result()

    async def drained(self) -> None:
        """Take no more requests, and return when all that were taken are answered."""
        self._closed = True
        if self._inside:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def close(self) -> None:
        """Take no more requests, answer those that wait, and end the worker."""
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        self._worker.join()

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int, turns: int) -> None:
        """Let what has gathered be computed once a turn of the event loop has brought no more."""
        if turns and len(self._gathered) > seen:
            loop.call_soon(self._gather, loop, len(self._gathered), turns - 1)
        else:
            self._dispatch()

    def _dispatch(self) -> None:
        """Let what has gathered be computed, here or in the worker."""
        size = sum(waiting.size for waiting in self._gathered)
        alone = self._inside == len(self._gathered)
        here = alone and size <= self._short_size
        if not (here and self._turn.acquire(blocking=False)):
            self._hand_over()
            return
        taken, self._gathered = self._gathered, []
        try:
            wanted, outcomes = self._outcomes(taken)
        finally:
            self._turn.release()
        self._deliver(len(taken), wanted, outcomes)

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        for waiting in gathered:
            self._queue.put(waiting)

    def _work(self) -> None:
        while True:
            taken, change = self._next()
            if taken:
                self._pass(taken)
            if change is None:
                return
            with self._turn:
                change()

    def _next(self) -> tuple[list[_Waiting[Asked, Outcome]], Callable[[], None] | None]:
        """Wait for something to do: requests of one pass, and what is to be done after it."""
        taken: list[_Waiting[Asked, Outcome]] = []
        size = 0
        while size < self._pass_size:
            try:
                entry = self._queue.get(block=not taken)
            except Empty:
                break
            if not isinstance(entry, _Waiting):
                return taken, entry
            taken.append(entry)
            size += entry.size
        return taken, _nothing

    def _pass(self, taken: Sequence[_Waiting[Asked, Outcome]]) -> None:
        with self._turn:
            wanted, outcomes = self._outcomes(taken)
        # Whoever is answered may ask at once: by then the turn is free again.
        loop = taken[0].future.get_loop()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._deliver, len(taken), wanted, outcomes)

    def _outcomes(
        self, taken: Sequence[_Waiting[Asked, Outcome]]
    ) -> tuple[Sequence[_Waiting[Asked, Outcome]], Sequence[Outcome] | BaseException]:
        """Answer those who still wait: a caller that is gone leaves no trace."""
        wanted = [waiting for waiting in taken if not waiting.future.cancelled()]
        outcomes: Sequence[Outcome] | BaseException = ()
        began = perf_counter()
        try:
            if wanted:
                outcomes = self._answer([waiting.asked for waiting in wanted])
        except Exception as error:
            outcomes = error
        size = sum(waiting.size for waiting in taken)
        if perf_counter() - began > SHORT_SECONDS:
            self._short_size = min(self._short_size, size // 2)
        else:
            self._short_size = max(self._short_size, min(size, self._may_be_short))
        return wanted, outcomes

    def _deliver(
        self,
        taken: int,
        wanted: Sequence[_Waiting[Asked, Outcome]],
        outcomes: Sequence[Outcome] | BaseException,
    ) -> None:
        self._inside -= taken
        for position, waiting in enumerate(wanted):
            if waiting.future.cancelled():
                continue
            if isinstance(outcomes, BaseException):
                waiting.future.set_exception(outcomes)
            else:
                waiting.future.set_result(outcomes[position])
        if self._idle is not None and not self._inside:
            self._idle.set()


def _nothing() -> None:
    """Change nothing after a pass."""
