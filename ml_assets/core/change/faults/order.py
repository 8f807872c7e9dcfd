"""Rows whose values no longer follow each other: a file that was shuffled or joined wrongly.

Columns keep their distributions and lose their memory: the rank correlation of neighbours in time
of one entity falls in most columns that had one.
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.faults.distance import columns_of
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.faults.moment import first_moment, switch
from ml_assets.core.change.rows import ComparedRows

HAD_MEMORY = 0.4
KEPT = 0.5  # of it
MOST = 0.6  # of the columns with memory
MIN_PAIRS = 40


def rows_out_of_order(
    reference: ComparedRows, recent: ComparedRows, *, seed: int
) -> Iterator[Fault]:
    """Yield one fault where the recent rows are out of order.

    Args:
        reference: Rows in their order.
        recent: Rows to judge.
        seed: Of the shuffled reference that says what is expected out of order.
    """
    past, now = _Pairs(reference), _Pairs(recent)
    with_memory, lost = [], []
    for column in columns_of(reference, recent):
        had, has = past.memory(column.name), now.memory(column.name)
        if had is None or has is None or had < HAD_MEMORY:
            continue
        with_memory.append(column.name)
        if has < KEPT * had and not column.moved:
            lost.append(column.name)
    if not lost or len(lost) < MOST * len(with_memory):
        return
    since = _since(lost[0], reference, recent, past, now, seed=seed)
    yield Fault("rows_out_of_order", tuple(lost), since, "no longer follow their own past")


class _Pairs:
    """Each row with the one before it, of the same entity."""

    def __init__(self, rows: ComparedRows) -> None:
        self.rows = rows
        positions = pd.Series(np.arange(len(rows)))
        before = positions.groupby(rows.entity, sort=False).shift()
        self.late = np.flatnonzero(before.notna())
        self.early = before.to_numpy()[self.late].astype(np.intp)

    def memory(self, name: str) -> float | None:
        """Return the rank correlation of neighbours within entities; None where few are known.

        An entity's own level is no memory: it is taken off.
        """
        values = pd.Series(self.rows.numbers(name))
        centred = values - values.groupby(self.rows.entity).transform("median")
        early, late = centred.to_numpy()[self.early], centred.to_numpy()[self.late]
        known = np.isfinite(early) & np.isfinite(late)
        if known.sum() < MIN_PAIRS:
            return None
        one, other = (pd.Series(side[known]).rank().to_numpy() for side in (early, late))
        if min(one.std(), other.std()) == 0:
            return None
        return float(np.corrcoef(one, other)[0, 1])

    def steps(self, name: str) -> FloatArray:
        """Return how far each row is from the one before, NaN where that is not known."""
        values = self.rows.numbers(name)
        steps = np.full(len(values), np.nan)
        steps[self.late] = np.abs(values[self.late] - values[self.early])
        return steps


def _since(
    name: str,
    reference: ComparedRows,
    recent: ComparedRows,
    past: _Pairs,
    now: _Pairs,
    *,
    seed: int,
) -> datetime:
    values = reference.numbers(name)
    shuffled = np.random.default_rng(seed).permutation(values)
    start = switch(past.steps(name), np.abs(shuffled - values), now.steps(name))
    return first_moment(recent, min(start, len(recent) - 1))
