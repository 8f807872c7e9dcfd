"""Columns that hold each other's values: a file whose columns came in another order."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from ml_assets.core.change.faults.distance import Column, columns_of
from ml_assets.core.change.faults.fault import Fault, Repair
from ml_assets.core.change.faults.moment import first_moment, switch
from ml_assets.core.change.rows import ComparedRows

CLEARLY = 0.2  # of how far the other column has moved away itself


def exchanged_columns(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield each circle of columns that took each other's place."""
    moved = {column.name: column for column in columns_of(reference, recent) if column.moved}
    donors = {name: _donor(column, moved) for name, column in moved.items()}
    seen: set[str] = set()
    for first in donors:
        circle = _circle(first, donors)
        if len(circle) > 1 and not seen & set(circle):
            seen |= set(circle)
            since = _since(circle[0], donors, reference, recent)
            names = tuple(sorted(circle))
            held = {name: donor for name in circle if (donor := donors[name]) is not None}
            says = "hold each other's values"
            yield Fault("exchanged_columns", names, since, says, _repair(held, since))


def _donor(column: Column, moved: dict[str, Column]) -> str | None:
    """Return the column whose values of the reference this one holds now, if there is one."""
    distances = {
        name: other.distance(column.since) / other.usual
        for name, other in moved.items()
        if name != column.name
    }
    nearest = min(distances, key=distances.__getitem__, default=None)
    if nearest is None:
        return None
    other = moved[nearest]
    left, away = other.distance(column.since), other.distance(other.since)
    return nearest if other.resembles(column.since) or left < CLEARLY * away else None


def _circle(first: str, donors: dict[str, str | None]) -> list[str]:
    """Follow the donors from a column back to itself; empty where they lead elsewhere."""
    path, at = [first], donors[first]
    while at is not None and at not in path:
        path.append(at)
        at = donors[at]
    return path if at == first else []


def _since(
    name: str, donors: dict[str, str | None], reference: ComparedRows, recent: ComparedRows
) -> datetime:
    donor = donors[name] or name
    start = switch(reference.numbers(name), reference.numbers(donor), recent.numbers(name))
    return first_moment(recent, min(start, len(recent) - 1))


def _repair(held: dict[str, str], since: datetime) -> Repair:
    """Give each column's values back to the one they belong to."""

    def repaired(frame: pd.DataFrame) -> pd.DataFrame:
        late = (frame["event_time"] >= since).to_numpy()
        back = {
            owner: np.where(late, frame[holder].to_numpy(float), frame[owner].to_numpy(float))
            for holder, owner in held.items()
        }
        return frame.assign(**back)

    return repaired
