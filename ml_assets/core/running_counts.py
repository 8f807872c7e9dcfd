"""Counts of any run of windows, as the difference of two running sums."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ml_assets.core.chunks import phase_of
from ml_assets.core.findings import Stretches
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.reference import Reference


@dataclass(frozen=True, eq=False)
class RunningCounts:
    """Running sums over windows in the order of time, each with a row of zeros before the first.

    Attributes:
        starts: When the windows start, in seconds.
        bins: Counts by column, shape (windows + 1, bins).
        missing: Missing values by column.
        phases: Rows by phase of the season, shape (windows + 1, phases).
    """

    starts: np.ndarray
    bins: Mapping[str, np.ndarray]
    missing: Mapping[str, np.ndarray]
    phases: np.ndarray

    @classmethod
    def of(cls, reference: Reference, ordered: Sequence[WindowCounts]) -> "RunningCounts":
        """Add windows up."""
        count = len(ordered)
        bins = {
            name: np.zeros((count + 1, column.bins.size), dtype=np.int64)
            for name, column in reference.columns.items()
        }
        missing = {name: np.zeros(count + 1, dtype=np.int64) for name in bins}
        phases = np.zeros((count + 1, reference.phases), dtype=np.int64)
        for place, window in enumerate(ordered, start=1):
            phase = phase_of(window.start, reference.window, reference.phases)
            phases[place, phase] = window.rows
            for name, counts in window.columns.items():
                if name in bins:
                    bins[name][place] = counts.bins
                    missing[name][place] = counts.missing
        return cls(
            starts=np.array([window.start.timestamp() for window in ordered]),
            bins={name: values.cumsum(axis=0) for name, values in bins.items()},
            missing={name: values.cumsum() for name, values in missing.items()},
            phases=phases.cumsum(axis=0),
        )

    def lengths(self, place: int, scales: Sequence[int], window: timedelta) -> dict[int, int]:
        """Return where each length that ends with a window begins.

        A length that holds no window that a shorter one does not hold is left out.
        """
        begins: dict[int, int] = {}
        shortest = place + 1
        for scale in scales:
            since = self.starts[place] - (scale - 1) * window.total_seconds()
            begin = int(np.searchsorted(self.starts[: place + 1], since))
            if begin < shortest:
                begins[scale] = shortest = begin
        return begins

    def stretches(
        self, name: str, windows: int, *, starts: Sequence[int], ends: Sequence[int]
    ) -> Iterator[tuple[Stretches, list[int]]]:
        """Yield the counts of a column from each start up to and with each end, alike together."""
        if not ends:
            return
        begin, end = np.array(starts), np.array(ends) + 1
        bins = self.bins[name][end] - self.bins[name][begin]
        missing = self.missing[name][end] - self.missing[name][begin]
        if self.phases.shape[1] == 1:
            yield Stretches(windows, bins, missing, np.ones(1)), list(ends)
            return
        mixes = self.phases[end] - self.phases[begin]
        for place, mix in enumerate(mixes):
            alone = slice(place, place + 1)
            yield Stretches(windows, bins[alone], missing[alone], mix), [ends[place]]
