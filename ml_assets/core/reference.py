"""What production is compared with: the training data's histograms, frozen with a version.

The reference is cut from rows in the order of time. Shuffled rows would hide how much one window
differs from the next, and everything would look like drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from ml_assets.core.chi_square import CategoryTest
from ml_assets.core.chunks import Chunks, phases_in
from ml_assets.core.dependence import prior_odds
from ml_assets.core.effect import ColumnTest
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
from ml_assets.core.layout import Layout, phase_of_rows
from ml_assets.core.normal_scores import NumericTest
from ml_assets.core.rates import RateTest, chance_of_more
from ml_assets.core.spread import Lengths

Role = Literal["feature", "prediction", "residual", "absolute_residual"]

LATE: tuple[Role, ...] = ("residual", "absolute_residual")  # known only once the truth is
FORMAT = 3


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
        was_constant: Whether a chunk held one value only.
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
            was_constant=any(is_constant(part) for part in windows),
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
        """Whether a chunk held no value at all."""
        return bool(self.chunks[0].bins.sum(axis=1).min() == 0)

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


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference of one version.

    Attributes:
        columns: References by column.
        window: Length of the windows that are compared with it.
        chunk_rows: Rows of each chunk that calibrated the tests.
        rows: Rows it was made from.
        phases: Windows in a season; 1 where none was declared.
        mixes: Rows by phase of each chunk, shape (chunks, phases), by length in windows.
    """

    columns: Mapping[str, ColumnReference]
    window: timedelta
    chunk_rows: int
    rows: int
    phases: int
    mixes: Mapping[float, np.ndarray]

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
        scales: Sequence[int] = (1,),
        season: timedelta | None = None,
        times: pd.Series | None = None,
    ) -> Self:
        """Learn the reference from training rows in the order of time.

        Args:
            frame: The rows the model learned from, oldest first. Residuals must be of rows that
                the model did not learn from.
            kinds: What each column holds.
            roles: What columns are to the model, where they are no features.
            window: Length of the windows that will be compared.
            window_rows: Rows that such a window usually has.
            windows: Chunks to cut, at most.
            scales: Lengths that will be judged, in windows.
            season: Length after which the data repeats; windows are compared with their own phase.
            times: When the rows were, with a time zone; needed for a season.

        Raises:
            DataError: If a column is not there or has no value at all.
        """
        phases = phases_in(season, window)
        layout = Layout.of(
            phase_of_rows(times, window, phases, len(frame)),
            phases,
            window_rows=window_rows,
            scales=scales,
            most=windows,
        )
        columns = {}
        for name, kind in kinds.items():
            _demand_values(frame, name, kind)
            role = roles.get(name, "feature")
            columns[name] = ColumnReference.fit(frame[name], kind, role, layout=layout)
        first = layout.shortest[0]
        rows = first.stop - first.start
        return cls(_together(columns), window, rows, len(frame), phases, layout.mixes)

    @property
    def windows(self) -> float:
        """Windows that it holds."""
        return self.rows / self.chunk_rows * min(self.mixes)

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
            "phases": self.phases,
            "mixes": {str(windows): mixes.tolist() for windows, mixes in self.mixes.items()},
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
        mixes = {float(windows): np.array(mix) for windows, mix in stored["mixes"].items()}
        columns = {
            name: ColumnReference.from_json(c, mixes) for name, c in stored["columns"].items()
        }
        window = timedelta(seconds=stored["window_seconds"])
        rows, chunk_rows = stored["rows"], stored["chunk_rows"]
        return cls(_together(columns), window, chunk_rows, rows, stored["phases"], mixes)


def is_constant(counts: ColumnCounts) -> bool:
    """Return whether more than one value was counted, and all were the same."""
    if counts.present < 2:
        return False
    if counts.low is not None:
        return counts.low == counts.high
    return int(counts.bins[:-2].max(initial=0)) == counts.present


def _together(columns: Mapping[str, ColumnReference]) -> dict[str, ColumnReference]:
    """Return columns of which each believes of dependence what the others tell of it.

    What the model errs by may remember what its inputs do not, so these are asked apart.
    """
    found = dict(columns)
    for late in (False, True):
        asked = [name for name, column in columns.items() if (column.role in LATE) == late]
        odds = [columns[name].test.spread.odds for name in asked]
        for name, prior in zip(asked, prior_odds(odds), strict=True):
            found[name] = replace(columns[name], prior=float(prior))
    return found


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
