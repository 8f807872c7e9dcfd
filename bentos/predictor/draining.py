"""A server that is asked to end first answers what it has taken."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any


def drain_before_stopping(drained: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let SIGTERM wait until nothing is under way; requests that come meanwhile are turned away.

    To be called in the event loop, once the server has installed its own handler: that one ends
    the process.

    Args:
        drained: Takes no more requests, and returns when the others are answered.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # signals reach the main thread only: whoever runs this in another ends it there
    stop = signal.getsignal(signal.SIGTERM)
    if not callable(stop):
        return  # no server listens to the signal: there is nothing to put off
    loop = asyncio.get_running_loop()
    waiting: set[asyncio.Task[None]] = set()

    async def drain(number: int, frame: FrameType | None) -> None:
        await drained()
        stop(number, frame)

    def put_off(number: int, frame: FrameType | None) -> None:
        if waiting:
            stop(number, frame)  # asked twice: at once
            return
        loop.call_soon_threadsafe(lambda: waiting.add(loop.create_task(drain(number, frame))))

    signal.signal(signal.SIGTERM, put_off)
