"""The readings of whole days on a grid, and the rows of a window cut from it."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.window import Window, cut
from ml_assets.plant.instants import Instants, instant

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Grid:
    """All readings of the whole days that a window touches.

    Values on the grid have the shape (..., rigs, days, readings a day). Chance is drawn for whole
    days, so that a window's rows are the same however the window was cut.

    Attributes:
        window: What is asked for.
        rigs: Number of rigs.
        reading_every: Time between two readings of a rig; a whole share of a day.
        seed: The plant's seed.
    """

    window: Window
    rigs: int
    reading_every: timedelta
    seed: int

    @property
    def days(self) -> tuple[date, ...]:
        """The whole days, in order; one day also for an empty window, whose rows are then none."""
        end = max(self.window.end, self.window.start + timedelta.resolution)
        return tuple(day.start.date() for day in cut(Window(self.window.start, end), "day"))

    @property
    def readings(self) -> int:
        """Number of readings a rig and day."""
        return timedelta(days=1) // self.reading_every

    @property
    def hour(self) -> Floats:
        """Hour of the day of each reading, of shape (readings a day)."""
        return np.linspace(0, 24, self.readings, endpoint=False)

    def rows(self, values: NDArray) -> NDArray:
        """Return the window's rows, sorted by moment and rig, of values on the grid."""
        by_moment = np.moveaxis(values, -3, -1)
        flat = by_moment.reshape(*values.shape[:-3], -1)
        return flat[..., self._inside]

    @property
    def moments(self) -> Instants:
        """Moment of each of the window's rows, datetime64[us] in UTC."""
        return self._all_moments[self._inside]

    @property
    def rig_numbers(self) -> Indices:
        """Number of the rig of each of the window's rows, from 0."""
        return np.resize(np.arange(self.rigs), self._inside.size)[self._inside]

    @property
    def _all_moments(self) -> Instants:
        days = np.array(self.days, dtype="datetime64[us]")
        step = np.timedelta64(self.reading_every // timedelta(microseconds=1), "us")
        return np.repeat(np.add.outer(days, np.arange(self.readings) * step), self.rigs)

    @property
    def _inside(self) -> NDArray[np.bool_]:
        moments = self._all_moments
        return (moments >= instant(self.window.start)) & (moments < instant(self.window.end))
