"""Answered rows as they are compared: before a change, and since."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.bootstrap import FloatArray


@dataclass(frozen=True, eq=False)
class ComparedRows:
    """Rows that one version answered, in order of time.

    Attributes:
        frame: ``event_time`` and the features, with a fresh index.
        numeric: Features that are numbers.
        categorical: Features that are text.
        entity: Whom each row is about, as text; the same text for all where there are no keys.
        prediction: What was answered.
        truth: What was true; None or NaN where that is not known yet.
        loss: Loss of each answer; NaN where the truth is not known yet.
    """

    frame: pd.DataFrame
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    entity: NDArray[np.object_]
    prediction: NDArray
    truth: NDArray
    loss: FloatArray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def features(self) -> tuple[str, ...]:
        """All features, numbers first."""
        return (*self.numeric, *self.categorical)

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """Moments in UTC, datetime64[us]."""
        times = self.frame["event_time"].dt.tz_convert("UTC").dt.tz_localize(None)
        return times.to_numpy("datetime64[us]")

    @cached_property
    def labelled(self) -> Self:
        """The rows whose loss is known."""
        return self.at(np.flatnonzero(np.isfinite(self.loss)))

    def numbers(self, column: str) -> FloatArray:
        """Return a numeric feature as float64."""
        return self.frame[column].to_numpy(dtype=np.float64)

    def at(self, positions: NDArray[np.intp]) -> Self:
        """Return some of the rows, by ascending position."""
        return replace(
            self,
            frame=self.frame.iloc[positions].reset_index(drop=True),
            entity=self.entity[positions],
            prediction=self.prediction[positions],
            truth=self.truth[positions],
            loss=self.loss[positions],
        )

    def thinned(self, most: int) -> Self:
        """Return at most so many rows, spread evenly over the time."""
        if len(self) <= most:
            return self
        return self.at(np.unique(np.linspace(0, len(self) - 1, most).astype(np.intp)))

    def since(self, moment: np.datetime64) -> Self:
        """Return the rows from a moment on."""
        return self.at(np.flatnonzero(self.times >= moment))
