"""Counts of many profiles as one table of numbers, so that they are added up all at once.

A row is the profile of one hour: when it starts and which revision it is, its rows, and for each
column of the reference whether it arrived, its missing values, extremes, moments and bins.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Self

import numpy as np

from ml_assets.core.histograms import EPOCH, Bins, ColumnCounts, NumericBins, WindowCounts
from ml_assets.storage.atomic import write_atomically

HEAD = 3  # start in seconds since 1970, revision, rows
FACTS = 6  # arrived, missing, low, high, mean, squares
FORMAT = 1


@dataclass(frozen=True)
class CountLayout:
    """Where each figure of a profile stands in its row.

    Attributes:
        bins: Bins by column.
    """

    bins: Mapping[str, Bins]

    @classmethod
    def of(cls, bins: Mapping[str, Bins]) -> Self:
        """Lay out the bins of a reference."""
        return cls(bins)

    @cached_property
    def digest(self) -> str:
        """Name of the bins: other bins have another name."""
        told = [
            (name, list(bins.edges))
            if isinstance(bins, NumericBins)
            else (name, list(bins.frequent), list(bins.known), bins.complete)
            for name, bins in self.bins.items()
        ]
        return hashlib.sha256(json.dumps([FORMAT, told]).encode()).hexdigest()[:16]

    @cached_property
    def width(self) -> int:
        """Figures in a row."""
        return HEAD + FACTS * len(self.bins) + sum(bins.size for bins in self.bins.values())

    def pack(self, window: WindowCounts, revision: int) -> np.ndarray:
        """Return one hour as a row; what does not exist is NaN."""
        row = np.full(self.width, np.nan)
        row[:HEAD] = window.start.timestamp(), revision, window.rows
        bins = row[HEAD + FACTS * len(self.bins) :]
        bins[:] = 0
        facts = row[HEAD : HEAD + FACTS * len(self.bins)].reshape(-1, FACTS)
        facts[:, :2] = 0
        for place, (name, columns) in enumerate(self._places):
            counts = window.columns.get(name)
            if counts is not None:
                facts[place, :2] = 1, counts.missing
                known = (counts.low, counts.high, counts.mean, counts.squares)
                facts[place, 2:] = [np.nan if value is None else value for value in known]
                bins[columns] = counts.bins
        return row

    def windows(self, rows: np.ndarray, window: timedelta) -> list[WindowCounts]:
        """Add up hours into windows that start at multiples of ``window``, in order of time."""
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        length = window.total_seconds()
        starts = rows[:, 0] // length * length
        first = np.flatnonzero(np.diff(starts, prepend=-1.0))
        bins = np.add.reduceat(rows[:, HEAD + FACTS * len(self.bins) :], first).astype(np.int64)
        facts = rows[:, HEAD : HEAD + FACTS * len(self.bins)].reshape(len(rows), -1, FACTS)
        present = np.stack(
            [
                rows[:, HEAD + FACTS * len(self.bins) :][:, columns].sum(axis=1)
                for _, columns in self._places
            ],
            axis=1,
        )
        totals = np.add.reduceat(rows[:, 2], first)
        joined = _joined(facts, present, first)
        return [
            WindowCounts(
                EPOCH + timedelta(seconds=float(starts[at])),
                int(totals[place]),
                {
                    name: ColumnCounts(
                        bins[place, columns],
                        int(joined[place, column, 1]),
                        *(None if np.isnan(v) else float(v) for v in joined[place, column, 2:]),
                    )
                    for column, (name, columns) in enumerate(self._places)
                    if joined[place, column, 0]
                },
            )
            for place, at in enumerate(first)
        ]

    def read(self, path: Path) -> np.ndarray:
        """Return the rows of a file; none where it is not there."""
        try:
            rows = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            return np.empty((0, self.width))
        except (ValueError, EOFError):  # cut short by a full disk: count again
            return np.empty((0, self.width))
        return rows if rows.ndim == 2 and rows.shape[1] == self.width else rows[:0]

    def write(self, path: Path, rows: np.ndarray) -> None:
        """Keep rows in a file."""
        content = BytesIO()
        np.save(content, rows, allow_pickle=False)
        write_atomically(path, content.getvalue())

    @cached_property
    def _places(self) -> list[tuple[str, slice]]:
        places, start = [], 0
        for name, bins in self.bins.items():
            places.append((name, slice(start, start + bins.size)))
            start += bins.size
        return places


def _joined(facts: np.ndarray, present: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Add up what is known of columns, shape (windows, columns, facts)."""
    joined = np.full((len(first), *facts.shape[1:]), np.nan)
    joined[..., :2] = np.add.reduceat(facts[..., :2], first)
    joined[..., 2] = np.fmin.reduceat(facts[..., 2], first)
    joined[..., 3] = np.fmax.reduceat(facts[..., 3], first)
    rows = np.add.reduceat(present, first)
    weighted = np.nan_to_num(facts[..., 4]) * present
    mean = np.add.reduceat(weighted, first) / np.maximum(rows, 1)
    each = np.repeat(mean, np.diff(first, append=len(facts)), axis=0)
    squares = np.nan_to_num(facts[..., 5]) + present * (np.nan_to_num(facts[..., 4]) - each) ** 2
    known = ~np.isnan(joined[..., 2])
    joined[..., 4] = np.where(known, mean, np.nan)
    joined[..., 5] = np.where(known, np.add.reduceat(squares, first), np.nan)
    return joined
