"""Numbers are computed by one thread: sums in parallel depend on how many threads there are.

To ask every library for its pool takes milliseconds, more than a prediction; whoever computes a lot
asks once, around all of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from threadpoolctl import threadpool_limits

_IS_LIMITED = ContextVar("is_limited", default=False)


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold all numerical libraries to one thread; within another such block, do nothing.

    Example:
        >>> with one_thread(), one_thread():
        ...     pass
    """
    if _IS_LIMITED.get():
        yield
        return
    token = _IS_LIMITED.set(True)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        _IS_LIMITED.reset(token)
