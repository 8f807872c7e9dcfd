"""What production is compared with: the training data's histograms, frozen with a version.

The reference is cut from rows in the order of time. Shuffled rows would hide how much one window
differs from the next, and everything would look like drift.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from ml_assets.core.chi_square import CategoryTest
from ml_assets.core.effect import MIN_CHUNKS, ColumnTest
from ml_assets.core.errors import ArtefactError, DataError
from ml_assets.core.histograms import (
    Bins,
    CategoryBins,
    ColumnCounts,
    NumericBins,
    ValueKind,
    count_column,
    fit_bins,
    numbers,
    texts,
)
from ml_assets.core.normal_scores import NumericTest
from ml_assets.core.rates import RateTest, chance_of_more

Role = Literal["feature", "prediction", "residual", "absolute_residual"]

FORMAT = 1
MIN_CHUNK_ROWS = 20


@dataclass(frozen=True, eq=False)
class ColumnReference:
    """One column of a reference.

    Attributes:
        role: What the column is to the model.
        bins: Its fixed bins.
        counts: All rows of the training data.
        chunks: Counts by chunk and bin, shape (chunks, bins).
        chunk_missing: Missing values by chunk.
        singletons: Categories that occur once, which says how likely a new one is.
        was_constant: Whether a chunk held one value only.
    """

    role: Role
    bins: Bins
    counts: ColumnCounts
    chunks: np.ndarray
    chunk_missing: np.ndarray
    singletons: int
    was_constant: bool

    @classmethod
    def fit(cls, column: pd.Series, kind: ValueKind, role: Role, *, chunks: list[slice]) -> Self:
        """Learn the bins of a column and count its chunks."""
        bins = fit_bins(column, kind)
        parts = [count_column(column.iloc[chunk], bins) for chunk in chunks]
        singletons = 0
        if isinstance(bins, CategoryBins):
            singletons = int((pd.Series(texts(column), dtype=object).value_counts() == 1).sum())
        return cls(
            role=role,
            bins=bins,
            counts=count_column(column, bins),
            chunks=np.array([part.bins for part in parts]),
            chunk_missing=np.array([part.missing for part in parts]),
            singletons=singletons,
            was_constant=any(is_constant(part) for part in parts),
        )

    @cached_property
    def test(self) -> ColumnTest:
        """The test of the values' distribution."""
        match self.bins:
            case NumericBins():
                return NumericTest(self.counts.bins, self.chunks)
            case CategoryBins():
                return CategoryTest(self.counts.bins, self.chunks)

    @cached_property
    def missing_test(self) -> RateTest:
        """The test of the share of missing values."""
        rows = self.chunks.sum(axis=1) + self.chunk_missing
        return RateTest(self.chunk_missing, rows, (self.counts.missing, self.counts.rows))

    @cached_property
    def largest_share(self) -> float:
        """Share of the fullest bin: no single value is more frequent."""
        return float(self.counts.bins.max()) / self.counts.present

    @cached_property
    def was_empty(self) -> bool:
        """Whether a chunk held no value at all."""
        return bool(self.chunks.sum(axis=1).min() == 0)

    def chance_of_unseen(self, unseen: int, present: int) -> float:
        """Return the chance of this many values in categories the reference never held.

        The rate of new categories is Good and Turing's: singletons over rows (Good 1953).
        """
        if unseen == 0:
            return 1.0
        rate = min(1.0, (self.singletons + 1) / (self.counts.present + 1))
        thinned = self.test.design_effect
        return chance_of_more(unseen / thinned, present / thinned, rate)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        match self.bins:
            case NumericBins(edges=edges):
                bins: dict[str, Any] = {"edges": list(edges)}
            case CategoryBins(frequent=frequent, known=known, complete=complete):
                bins = {"frequent": list(frequent), "known": list(known), "complete": complete}
        return {
            "role": self.role,
            "bins": bins,
            "counts": self.counts.bins.tolist(),
            "missing": self.counts.missing,
            "low": self.counts.low,
            "high": self.counts.high,
            "chunks": self.chunks.tolist(),
            "chunk_missing": self.chunk_missing.tolist(),
            "singletons": self.singletons,
            "was_constant": self.was_constant,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Build the column that ``to_json`` described."""
        match stored["bins"]:
            case {"edges": edges}:
                bins: Bins = NumericBins(tuple(edges))
            case {"frequent": frequent, "known": known, "complete": complete}:
                bins = CategoryBins(tuple(frequent), tuple(known), complete)
            case other:
                message = f"A reference's bins need 'edges' or 'frequent', found {sorted(other)}."
                raise ArtefactError(message)
        return cls(
            role=stored["role"],
            bins=bins,
            counts=ColumnCounts(
                np.array(stored["counts"]), stored["missing"], stored["low"], stored["high"]
            ),
            chunks=np.array(stored["chunks"]),
            chunk_missing=np.array(stored["chunk_missing"]),
            singletons=stored["singletons"],
            was_constant=stored["was_constant"],
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference of one version.

    Attributes:
        columns: References by column.
        window: Length of the windows that are compared with it.
        chunk_rows: Rows of each chunk that calibrated the tests.
        rows: Rows it was made from.
    """

    columns: Mapping[str, ColumnReference]
    window: timedelta
    chunk_rows: int
    rows: int

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        kinds: Mapping[str, ValueKind],
        *,
        roles: Mapping[str, Role],
        window: timedelta,
        window_rows: int,
        windows: int,
    ) -> Self:
        """Learn the reference from training rows in the order of time.

        Args:
            frame: The rows the model learned from, oldest first. Residuals must be of rows that
                the model had not seen when it predicted them.
            kinds: Columns to watch, and what their values are.
            roles: What columns are to the model; a feature where nothing is said.
            window: Length of a monitoring window.
            window_rows: Rows that a monitoring window typically holds.
            windows: Chunks to cut, at most.

        Raises:
            DataError: If a column is not there or has no value at all.
        """
        chunks = list(_time_chunks(len(frame), window_rows=window_rows, most=windows))
        columns = {}
        for name, kind in kinds.items():
            _demand_values(frame, name, kind)
            role = roles.get(name, "feature")
            columns[name] = ColumnReference.fit(frame[name], kind, role, chunks=chunks)
        return cls(columns, window, chunks[0].stop - chunks[0].start, len(frame))

    @property
    def bins(self) -> dict[str, Bins]:
        """Bins by column: what production is counted in."""
        return {name: column.bins for name, column in self.columns.items()}

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return {
            "format": FORMAT,
            "window_seconds": int(self.window.total_seconds()),
            "chunk_rows": self.chunk_rows,
            "rows": self.rows,
            "columns": {name: column.to_json() for name, column in self.columns.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Build the reference that ``to_json`` described.

        Raises:
            ArtefactError: If it was written in another format.
        """
        if stored.get("format") != FORMAT:
            message = (
                f"The reference has format {stored.get('format')!r}, this code reads {FORMAT}. "
                "Materialise the version's reference again."
            )
            raise ArtefactError(message)
        columns = {name: ColumnReference.from_json(c) for name, c in stored["columns"].items()}
        window = timedelta(seconds=stored["window_seconds"])
        return cls(columns, window, stored["chunk_rows"], stored["rows"])


def is_constant(counts: ColumnCounts) -> bool:
    """Return whether more than one value was counted, and all were the same."""
    if counts.present < 2:
        return False
    if counts.low is not None:
        return counts.low == counts.high
    return int(counts.bins[:-2].max(initial=0)) == counts.present


def _demand_values(frame: pd.DataFrame, name: str, kind: ValueKind) -> None:
    if name in frame:
        values = numbers(frame[name]) if kind == "float" else texts(frame[name])
        if not pd.isna(values).all():
            return
    found = f"has no {'number' if kind == 'float' else 'text'}" if name in frame else "is not there"
    message = (
        f"A reference cannot be made for {name!r}: the column {found} in {len(frame)} training "
        "rows. Leave it out, or train on rows that hold it."
    )
    raise DataError(message)


def _time_chunks(rows: int, *, window_rows: int, most: int) -> Iterator[slice]:
    """Yield chunks of a window's rows, spread evenly from the oldest row to the newest.

    Too few whole windows are cut shorter, down to 20 rows, because fewer than 8 chunks cannot
    calibrate a test.
    """
    count = min(most, rows // max(1, window_rows))
    length = window_rows
    if count < MIN_CHUNKS:
        count = max(1, min(MIN_CHUNKS, rows // MIN_CHUNK_ROWS))
        length = min(window_rows, rows // count)
    for index in range(count):
        start = round(index * (rows - length) / max(1, count - 1))
        yield slice(start, start + length)
