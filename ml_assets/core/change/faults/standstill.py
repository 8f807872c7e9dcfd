"""A column that is empty, or shows one value for ever, where it never did for so long.

What was never seen to change cannot be said to stand still: how long a site or a capacity stays
the same is not known from a reference in which it always did.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.moment import first_moment
from ml_assets.core.change.rows import ComparedRows

LEAST_ROWS = 20
LONGER = 3  # times the longest run of the reference
EVERYWHERE = 0.8  # of the entities: then they are not named
NAMED = 5


@dataclass(frozen=True)
class _Run:
    """Rows one after the other that show the same; ``whole`` where an entity has no others."""

    start: int
    rows: int
    missing: bool
    entity: str
    whole: bool


def standstills(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield each column that stands still or is empty."""
    past, now = _rows_by_entity(reference), _rows_by_entity(recent)
    for name in reference.features:
        usual, seen = _longest(reference.frame[name], past), _longest(recent.frame[name], now)
        runs = [
            run
            for missing in (True, False)
            for run in _too_long(
                [run for run in seen if run.missing is missing],
                [run for run in usual if run.missing is missing],
            )
        ]
        if runs:
            yield _fault(name, runs, len(now), recent)


def _too_long(runs: list[_Run], usual: list[_Run]) -> list[_Run]:
    """Return the runs that are longer than is usual for their entity."""
    still = {run.entity: run.rows for run in usual if run.whole}
    if usual and len(still) == len(usual):
        return []
    limit = max(LEAST_ROWS, LONGER * max((run.rows for run in usual), default=0))
    # An entity with few rows in the reference is judged by what is usual for the others.
    return [run for run in runs if run.rows > limit and still.get(run.entity, 0) < LEAST_ROWS]


def _fault(name: str, runs: list[_Run], entities: int, recent: ComparedRows) -> Fault:
    dead = all(run.missing for run in runs)
    says = "is empty" if dead else "stands still"
    names = sorted({run.entity for run in runs})
    if len(names) < EVERYWHERE * entities:
        says += f" for {', '.join(names[:NAMED])}" + (" and more" if len(names) > NAMED else "")
    start = min(run.start for run in runs)
    kind = "dead_column" if dead else "frozen_column"
    return Fault(kind, (name,), first_moment(recent, start), says)


def _rows_by_entity(rows: ComparedRows) -> dict[str, NDArray[np.intp]]:
    grouped = pd.Series(np.arange(len(rows))).groupby(rows.entity, sort=True)
    return {str(name): part.to_numpy() for name, part in grouped}


def _longest(column: pd.Series, entities: dict[str, NDArray[np.intp]]) -> list[_Run]:
    """Return each entity's longest run of one value, and of missing ones."""
    codes, _ = pd.factorize(column)  # missing values are -1
    found = []
    for entity, positions in entities.items():
        own = codes[positions]
        lacks = own == -1
        start, rows = _stretch(lacks, lacks)
        found.append(_Run(int(positions[start]), rows, True, entity, whole=rows == len(own)))
        # A dropout does not interrupt a value that stands still.
        present, own = positions[~lacks], own[~lacks]
        if len(own):
            start, rows = _stretch(own, np.ones(len(own), bool))
            found.append(_Run(int(present[start]), rows, False, entity, whole=rows == len(own)))
    return found


def _stretch(values: NDArray, counted: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of equal values starts, and its length; only ``counted`` ones.

    The values of a run are all counted, or none is.
    """
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    lengths = np.diff(np.r_[starts, len(values)]) * counted[starts]
    longest = int(np.argmax(lengths))
    return int(starts[longest]), int(lengths[longest])
