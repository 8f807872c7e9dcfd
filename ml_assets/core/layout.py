"""How the rows of a reference are cut: into phases of the season, and into stretches of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from ml_assets.core.chunks import Chunks, cut
from ml_assets.core.errors import DataError
from ml_assets.core.histograms import Bins, count_column

MEASURED = (1, 2, 4)  # windows; how a spread grows with length shows even if one alone is judged
NEARLY = 0.9  # of a window: the stretches pass for whole ones


@dataclass(frozen=True, eq=False)
class Layout:
    """How the rows of a reference are cut.

    Attributes:
        phase: Phase of the season of each row.
        phases: Phases of a season.
        chunks: Stretches of rows by their length in windows; the shortest come first.
    """

    phase: np.ndarray
    phases: int
    chunks: Mapping[float, list[slice]]

    @classmethod
    def of(
        cls, phase: np.ndarray, phases: int, *, window_rows: int, scales: Sequence[int], most: int
    ) -> Self:
        """Cut rows into stretches of every length that the rows hold eight of.

        Where they hold fewer windows, eight shorter stretches are cut, of at least 20 rows.
        """
        cuts: dict[float, list[slice]] = {}
        for length in sorted({*MEASURED, *scales}):
            chunks = cut(len(phase), window_rows=window_rows, windows=length, most=most)
            if chunks:
                rows = chunks[0].stop - chunks[0].start
                cuts[length if rows >= NEARLY * window_rows else rows / window_rows] = chunks
        return cls(phase, phases, cuts)

    @property
    def shortest(self) -> list[slice]:
        """The shortest stretches: a window's length, or less where there are too few of those."""
        return next(iter(self.chunks.values()))

    @cached_property
    def rows_of_phases(self) -> list[np.ndarray]:
        """Which rows each phase holds."""
        return [self.phase == index for index in range(self.phases)]

    @cached_property
    def mixes(self) -> dict[float, np.ndarray]:
        """Rows by phase of each stretch, by length."""
        return {
            windows: np.array(
                [np.bincount(self.phase[chunk], minlength=self.phases) for chunk in chunks]
            )
            for windows, chunks in self.chunks.items()
        }

    def count(self, column: pd.Series, bins: Bins) -> list[Chunks]:
        """Count a column in all stretches."""
        counted = []
        for windows, chunks in self.chunks.items():
            parts = [count_column(column.iloc[chunk], bins) for chunk in chunks]
            missing = np.array([part.missing for part in parts])
            counts = np.array([part.bins for part in parts])
            counted.append(Chunks(windows, counts, missing, self.mixes[windows]))
        return counted


def phase_of_rows(times: pd.Series | None, window: timedelta, phases: int, rows: int) -> np.ndarray:
    """Return the phase of each row, counted from 1970 on.

    Raises:
        DataError: If there is a season and the times are not known.
    """
    if phases == 1:
        return np.zeros(rows, dtype=np.int64)
    if times is None:
        message = "A reference with a season needs the rows' times, to know their phase."
        raise DataError(message)
    passed = (times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(window)
    return passed.to_numpy(dtype=np.int64) % phases
