"""A thread that computes for somebody who waits only so long.

Nothing can end a computation that does not return. So it is left alone: whoever asked goes on
without it, and asks for nothing more until it has come back and has caught up on what it missed.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")
Job = Callable[[], Result]


class TooLate(Exception):  # noqa: N818 - it is the kind of failure that the log names
    """A computation did not come back in time, or has not come back from an earlier time."""


class OwnThread(Generic[Result]):
    """Does one job at a time. Asked by one thread at a time.

    Args:
        name: Name of the thread.
        catch_up: Takes in what was missed since a job was late.
        between_passes: Runs something while nobody asks.
        complain: Is told what ``catch_up`` raised.
    """

    def __init__(
        self,
        name: str,
        *,
        catch_up: Callable[[], object],
        between_passes: Callable[[Callable[[], None]], None],
        complain: Callable[[Exception], None],
    ) -> None:
        self._catch_up = catch_up
        self._between_passes = between_passes
        self._complain = complain
        self._jobs: SimpleQueue[tuple[Job[Result], Future[Result]] | None] = SimpleQueue()
        self._late = self._closing = False
        self._changing = threading.Lock()
        self._at_the_end: Callable[[], None] | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Take jobs from now on."""
        self._thread.start()

    @property
    def late(self) -> bool:
        """Whether a job is under way that nobody waits for, or what it missed is missing still."""
        return self._late

    def run(self, job: Job[Result], *, within: float) -> Result:
        """Return what a job returns.

        Args:
            job: Computes.
            within: Seconds to wait.

        Raises:
            TooLate: If it takes longer, or an earlier one still does.
        """
        if self._late:
            raise TooLate
        done: Future[Result] = Future()
        self._jobs.put((job, done))
        try:
            return done.result(within)
        except TimeoutError:
            with self._changing:
                self._late = not done.done()
            if self._late:
                raise TooLate from None
            return done.result()

    def close(self, at_the_end: Callable[[], None], *, wait: float) -> None:
        """Take no more jobs, and end when the one under way is over.

        Args:
            at_the_end: Is run in the thread then.
            wait: Seconds to wait for that, at most.
        """
        self._closing, self._at_the_end = True, at_the_end
        self._jobs.put(None)
        if wait:
            self._thread.join(wait)

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, done = entry
            try:
                result = job()
            except BaseException as error:
                self._finish(lambda done=done, error=error: done.set_exception(error))
            else:
                self._finish(lambda done=done, result=result: done.set_result(result))
        if self._at_the_end is not None:
            self._at_the_end()

    def _finish(self, tell: Callable[[], None]) -> None:
        with self._changing:
            tell()
            late = self._late
        if late and not self._closing:
            try:
                self._between_passes(self._come_back)
            except Exception as error:  # it stays late: whoever watches sees it fail
                self._complain(error)

    def _come_back(self) -> None:
        if not self._closing:  # else nobody asks any more
            self._catch_up()
            self._late = False
