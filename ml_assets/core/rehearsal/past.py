"""All rows of a problem, read once, with the moments from which their labels were known."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.training_set import TrainingSet
from ml_assets.core.window import Window

Positions = npt.NDArray[np.intp]
Moments = npt.NDArray[np.datetime64]
PLACE = "_place"  # column of training rows: where each lies in the past


@dataclass(frozen=True, eq=False)
class KnownLabels:
    """The labels of some rows that were known at a moment.

    Attributes:
        rows: Position in the past of the row that each is of; ascending.
        labels: Each label.
        known_at: Since when each was known, in UTC.
        is_last: Whether no other label ever took the place of each.
    """

    rows: Positions
    labels: np.ndarray
    known_at: Moments
    is_last: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Past:
    """The feature table beside every label that ever was known of it.

    Attributes:
        frame: One row an example, as ``TrainingSet.frame`` but without the label, by event time.
        target: Name of the label column.
        numeric: Features that are numbers.
        categorical: Features that are text.
        label_row: Position in ``frame`` of the row that each label is of; ascending.
        label: Each label.
        known_at: From when each label was known, in UTC.
        superseded_at: From when another label of the row took its place; NaT if none did.
    """

    frame: pd.DataFrame
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    label_row: Positions
    label: np.ndarray
    known_at: Moments
    superseded_at: Moments

    def __post_init__(self) -> None:
        object.__setattr__(self, "_times", self.frame["event_time"].to_numpy("datetime64[us]"))

    @property
    def times(self) -> Moments:
        """Event time of each row in UTC, ascending."""
        return self._times  # pyrefly: ignore[missing-attribute]

    def between(self, window: Window) -> slice:
        """Return where the rows of a window lie."""
        first, last = np.searchsorted(self.times, [_plain(window.start), _plain(window.end)])
        return slice(int(first), int(last))

    def labels_known(self, rows: slice, moment: datetime) -> KnownLabels:
        """Return the labels of some rows that were known at a moment."""
        part = slice(*np.searchsorted(self.label_row, [rows.start, rows.stop]))
        at = _plain(moment)
        until = self.superseded_at[part]
        is_last = np.isnat(until)
        known = np.flatnonzero((self.known_at[part] <= at) & (is_last | (until > at)))
        chosen = known + part.start
        return KnownLabels(
            self.label_row[chosen], self.label[chosen], self.known_at[chosen], is_last[known]
        )

    def last_labels(self) -> np.ndarray:
        """Return the last label of each row, None where none ever came."""
        found = np.full(len(self.frame), None, dtype=object)
        last = np.isnat(self.superseded_at)
        found[self.label_row[last]] = self.label[last]
        return found

    def known_by(self, cutoff: datetime, since: datetime | None = None) -> TrainingSet:
        """Return the training set of a cutoff, as live operation would have read it.

        Its frame has a further column, ``PLACE``.
        """
        first = 0 if since is None else int(np.searchsorted(self.times, _plain(since)))
        known = self.labels_known(slice(first, len(self.frame)), cutoff)
        frame = self.frame.iloc[known.rows].reset_index(drop=True)
        frame["label_known_at"] = pd.Series(known.known_at).dt.tz_localize("UTC").dt.as_unit("us")
        frame[self.target] = known.labels
        frame[PLACE] = known.rows
        return TrainingSet(frame, self.target, self.numeric, self.categorical, cutoff)


def _plain(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "us")
