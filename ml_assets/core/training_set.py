"""The rows a model may learn from at a cutoff."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np
import pandas as pd

from ml_assets.core.feature_query import BASELINE_PREFIX


@dataclass(frozen=True)
class TrainingSet:
    """Features and labels as they were known at a cutoff.

    Attributes:
        frame: One row an example, sorted by ``event_time`` and then the keys, with a fresh
            index. Columns: the keys, ``event_time``, ``label_known_at`` (both datetime64[us, UTC]),
            the target, the features, one ``baseline__<name>`` a baseline that looks at past
            labels, and the columns that slices need.
        target: Name of the label column.
        numeric: Features that are numbers (float64, NaN where missing).
        categorical: Features that are text (object, None where missing).
        cutoff: Nothing known after this moment is in the frame.
    """

    frame: pd.DataFrame
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    cutoff: datetime

    @property
    def features(self) -> tuple[str, ...]:
        """All features, numbers first: the column order every model sees."""
        return (*self.numeric, *self.categorical)

    @property
    def inputs(self) -> pd.DataFrame:
        """What estimators are given: the features and the baselines' columns."""
        baselines = [name for name in self.frame.columns if name.startswith(BASELINE_PREFIX)]
        return self.frame[[*self.features, *baselines]]

    @property
    def labels(self) -> np.ndarray:
        """The target's values."""
        return self.frame[self.target].to_numpy()

    def rows(self, positions: np.ndarray) -> Self:
        """Return the set with some of its rows, by position."""
        return replace(self, frame=self.frame.iloc[positions].reset_index(drop=True))
