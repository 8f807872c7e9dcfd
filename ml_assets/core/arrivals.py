"""Rows in the order in which they arrived, cut into stretches that one query may answer.

A request sees what arrived before it. A query over many requests at once shows each of them also
what arrived later. That does no harm where all later rows of the same entity happened later too,
for features look at no later event time. So an entity's requests are cut into runs in which event
times only grow; a row that is late, or comes again, begins a new run.
"""

import numpy as np


def arrival_runs(entity: np.ndarray, request: np.ndarray, event_time: np.ndarray) -> np.ndarray:
    """Return the run of each row, counted from 0 within its entity.

    Args:
        entity: Number of each row's entity, in the order of arrival.
        request: Number of the request that brought it; a request's rows stand together.
        event_time: When it happened, as integers.

    Returns:
        One number a row. Rows of the same entity and run can be answered together.

    Example:
        >>> one = np.zeros(4, dtype=int)
        >>> arrival_runs(one, np.arange(4), np.array([10, 20, 15, 30]))
        array([0, 0, 1, 1])
        >>> arrival_runs(one, np.array([0, 0, 1, 1]), np.array([20, 10, 21, 30]))
        array([0, 0, 0, 0])
    """
    runs = np.zeros(len(entity), dtype=np.int64)
    if len(entity) == 0:
        return runs
    order = np.lexsort((np.arange(len(entity)), request, entity))
    entities, requests, times = entity[order], request[order], event_time[order]
    begins = np.flatnonzero(np.diff(entities, prepend=-1) | np.diff(requests, prepend=-1))
    earliest = np.minimum.reduceat(times, begins)
    latest = np.maximum.reduceat(times, begins)
    of_unit = np.zeros(len(begins), dtype=np.int64)
    run, until = 0, latest[0]
    owners = entities[begins]
    for n in range(1, len(begins)):
        if owners[n] != owners[n - 1]:
            run, until = 0, latest[n]
        elif earliest[n] <= until:
            run, until = run + 1, latest[n]
        else:
            until = latest[n]
        of_unit[n] = run
    runs[order] = np.repeat(of_unit, np.diff(begins, append=len(entity)))
    return runs


def clock(event_time: np.ndarray, *, block: int) -> np.ndarray:
    """Return what time it was, by the rows themselves, when each row arrived.

    The median of a block of rows says what time it is, so that one absurd event time says nothing;
    the clock never goes back.

    Args:
        event_time: When each row happened, as integers, in the order of arrival.
        block: Rows in a block.

    Returns:
        One time a row; of the first block its own median.

    Example:
        >>> clock(np.array([1, 2, 3, 7, 8, 9]), block=3)
        array([2, 2, 2, 8, 8, 8])
    """
    if len(event_time) == 0:
        return event_time
    blocks = [event_time[start : start + block] for start in range(0, len(event_time), block)]
    medians = [np.sort(part)[(len(part) - 1) // 2] for part in blocks]
    return np.repeat(np.maximum.accumulate(medians), block)[: len(event_time)]
