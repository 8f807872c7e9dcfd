"""Independent pieces of work on several processors, where that is worth starting processes."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

Result = TypeVar("Result")
Clock = Callable[[], float]

# Starting worker processes takes seconds. Threads gain nothing: boosting holds the lock.
SECONDS_WORTH_PROCESSES = 10.0


def side_by_side(
    work: Sequence[Callable[[], Result]], *, jobs: int, clock: Clock = time.monotonic
) -> list[Result]:
    """Return what each piece of work returns, in order.

    The first piece runs here and is timed; the rest goes to processes if it would take long. What
    comes out does not depend on where it ran.

    Args:
        work: Pieces that do not depend on each other and can be pickled.
        jobs: Processes, at most.
        clock: Tells the time in seconds.

    Example:
        >>> side_by_side([lambda: 1, lambda: 2], jobs=2)
        [1, 2]
    """
    done: list[Result] = []
    start = clock()
    for number, piece in enumerate(work):
        done.append(piece())
        remaining = (clock() - start) / (number + 1) * (len(work) - number - 1)
        if jobs > 1 and remaining > SECONDS_WORTH_PROCESSES:
            rest = (delayed(one)() for one in work[number + 1 :])
            return [*done, *Parallel(n_jobs=jobs)(rest)]
    return done
