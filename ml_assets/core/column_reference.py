"""One column of what production is compared with, and the tests that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from ml_assets.core.chi_square import CategoryTest
from ml_assets.core.chunks import Chunks
from ml_assets.core.effect import ColumnTest
from ml_assets.core.errors import ArtefactError
from ml_assets.core.histograms import (
    Bins,
    CategoryBins,
    ColumnCounts,
    NumericBins,
    ValueKind,
    count_column,
    fit_bins,
    texts,
)
from ml_assets.core.layout import Layout
from ml_assets.core.normal_scores import NumericTest
from ml_assets.core.rates import RateTest, chance_of_more
from ml_assets.core.spread import Lengths

Role = Literal["feature", "prediction", "residual", "absolute_residual"]

LATE: tuple[Role, ...] = ("residual", "absolute_residual")  # known only once the truth is


@dataclass(frozen=True, eq=False)
class ColumnReference:
    """One column of a reference.

    Attributes:
        role: What the column is to the model.
        bins: Its fixed bins.
        counts: All rows of the training data.
        by_phase: Counts by phase of the season and bin, shape (phases, bins).
        missing_by_phase: Missing values by phase.
        chunks: Stretches by length; the first are as long as a window, if there were enough.
        singletons: Categories that occur once, which says how likely a new one is.
        was_constant: Whether a chunk, or a phase of the season, held one value only.
        prior: Odds that its rows depend on their neighbours, as the other columns have them.
    """

    role: Role
    bins: Bins
    counts: ColumnCounts
    by_phase: np.ndarray
    missing_by_phase: np.ndarray
    chunks: tuple[Chunks, ...]
    singletons: int
    was_constant: bool
    prior: float = 1.0

    @classmethod
    def fit(cls, column: pd.Series, kind: ValueKind, role: Role, *, layout: Layout) -> Self:
        """Learn the bins of a column and count its chunks."""
        bins = fit_bins(column, kind)
        phases = [count_column(column[here], bins) for here in layout.rows_of_phases]
        windows = [count_column(column.iloc[chunk], bins) for chunk in layout.shortest]
        singletons = 0
        if isinstance(bins, CategoryBins):
            singletons = int((pd.Series(texts(column), dtype=object).value_counts() == 1).sum())
        return cls(
            role=role,
            bins=bins,
            counts=count_column(column, bins),
            by_phase=np.array([part.bins for part in phases]),
            missing_by_phase=np.array([part.missing for part in phases]),
            chunks=tuple(layout.count(column, bins)),
            singletons=singletons,
            # Chunks may miss, or straddle, the hour in which it stands still every day.
            was_constant=any(is_constant(part) for part in [*windows, *phases]),
        )

    @cached_property
    def test(self) -> ColumnTest:
        """The test of the values' distribution."""
        match self.bins:
            case NumericBins():
                return NumericTest(self.by_phase, self.chunks, self.prior)
            case CategoryBins():
                return CategoryTest(self.by_phase, self.chunks, self.prior)

    @cached_property
    def missing_test(self) -> RateTest:
        """The test of the share of missing values."""
        present = self.by_phase.sum(axis=1)
        return RateTest(np.stack([present, self.missing_by_phase], axis=1), self.chunks)

    @cached_property
    def largest_share(self) -> float:
        """Share of the fullest bin: no single value is more frequent."""
        return float(self.counts.bins.max()) / self.counts.present

    @cached_property
    def was_empty(self) -> bool:
        """Whether a chunk, or a phase of the season, held no value at all."""
        of_phases = self.by_phase.sum(axis=1)[self.missing_by_phase > 0]
        return bool(min(self.chunks[0].bins.sum(axis=1).min(), of_phases.min(initial=1)) == 0)

    @property
    def tells_unseen(self) -> bool:
        """Whether a category that is new can be told from a rare one."""
        return isinstance(self.bins, CategoryBins) and self.bins.complete

    def knows(self, mix: np.ndarray) -> bool:
        """Return whether the reference holds values of every phase in a mix."""
        if len(self.by_phase) == 1:
            return True
        return bool((self.by_phase.sum(axis=1)[mix > 0] > 0).all())

    def chance_of_unseen(
        self, unseen: np.ndarray, present: np.ndarray, *, windows: Lengths = 1
    ) -> np.ndarray:
        """Return the chance of this many values in categories the reference never held.

        The rate of new categories is Good and Turing's: singletons over rows (Good 1953).
        """
        rate = min(1.0, (self.singletons + 1) / (self.counts.present + 1))
        thinned = self.test.design_effect(windows)
        return chance_of_more(unseen / thinned, present / thinned, rate)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        match self.bins:
            case NumericBins(edges=edges):
                bins: dict[str, Any] = {"edges": list(edges)}
            case CategoryBins(frequent=frequent, known=known, complete=complete):
                bins = {"frequent": list(frequent), "known": list(known), "complete": complete}
        counts = self.counts
        return {
            "role": self.role,
            "bins": bins,
            "counts": counts.bins.tolist(),
            "described": [counts.missing, counts.low, counts.high, counts.mean, counts.squares],
            "by_phase": self.by_phase.tolist(),
            "missing_by_phase": self.missing_by_phase.tolist(),
            "chunks": [[part.bins.tolist(), part.missing.tolist()] for part in self.chunks],
            "singletons": self.singletons,
            "was_constant": self.was_constant,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], phases: Mapping[float, np.ndarray]) -> Self:
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
            counts=ColumnCounts(np.array(stored["counts"]), *stored["described"]),
            by_phase=np.array(stored["by_phase"]),
            missing_by_phase=np.array(stored["missing_by_phase"]),
            chunks=tuple(
                Chunks(windows, np.array(counts), np.array(missing), phases[windows])
                for windows, (counts, missing) in zip(phases, stored["chunks"], strict=True)
            ),
            singletons=stored["singletons"],
            was_constant=stored["was_constant"],
        )


def is_constant(counts: ColumnCounts) -> bool:
    """Return whether more than one value was counted, and all were the same."""
    if counts.present < 2:
        return False
    if counts.low is not None:
        return counts.low == counts.high
    return int(counts.bins[:-2].max(initial=0)) == counts.present
