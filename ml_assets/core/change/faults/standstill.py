"""A column that is empty, or shows one value for ever, where it never did for so long."""

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
    """Rows one after the other that show the same."""

    start: int
    rows: int
    missing: bool
    entity: str


def standstills(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield each column that stands still or is empty."""
    past, now = _rows_by_entity(reference), _rows_by_entity(recent)
    for name in reference.features:
        usual = _longest(reference.frame[name], past)
        runs = []
        for missing in (True, False):
            longest = max((run.rows for run in usual if run.missing is missing), default=0)
            runs += [
                run
                for run in _longest(recent.frame[name], now)
                if run.missing is missing and run.rows > max(LEAST_ROWS, LONGER * longest)
            ]
        if runs:
            yield _fault(name, runs, len(now), recent)


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
        found += _runs(positions, own == -1, np.zeros(len(own)), missing=True, entity=entity)
        # A dropout does not interrupt a value that stands still.
        found += _runs(positions, own != -1, own, missing=False, entity=entity)
    return found


def _runs(
    positions: NDArray[np.intp], chosen: NDArray, codes: NDArray, *, missing: bool, entity: str
) -> list[_Run]:
    if missing:
        changes = np.r_[True, chosen[1:] != chosen[:-1]]
        number = np.cumsum(changes) * chosen
        positions, number = positions[chosen], number[chosen]
    else:
        positions, own = positions[chosen], codes[chosen]
        number = np.cumsum(np.r_[True, own[1:] != own[:-1]]) if len(own) else own
    if not len(positions):
        return []
    _, first, counts = np.unique(number, return_index=True, return_counts=True)
    longest = int(np.argmax(counts))
    return [_Run(int(positions[first[longest]]), int(counts[longest]), missing, entity)]
