"""What production is compared with: the training data's histograms, frozen with a version.

The reference is cut from rows in the order of time. Shuffled rows would hide how much one window
differs from the next, and everything would look like drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pandas as pd

from ml_assets.core.chunks import phases_in
from ml_assets.core.column_reference import LATE, ColumnReference, Role
from ml_assets.core.dependence import prior_odds
from ml_assets.core.errors import ArtefactError, DataError
from ml_assets.core.histograms import Bins, ValueKind, numbers, texts
from ml_assets.core.layout import Layout, phase_of_rows

FORMAT = 3


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
