"""The plant as its users see it: readings, late labels, the rig table, and the truth."""

from datetime import timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from ml_assets.core.errors import DeclarationError
from ml_assets.core.window import Window
from ml_assets.plant.chance import Stream, normals, uniforms
from ml_assets.plant.grid import Grid
from ml_assets.plant.instants import Instants, instant, utc
from ml_assets.plant.instruments import measured
from ml_assets.plant.operation import LOADS
from ml_assets.plant.rigs import Rig, build, rig_table
from ml_assets.plant.run import Run, run
from ml_assets.plant.scenarios import Scenario, scenario_named
from ml_assets.plant.wear import truth

MOST_RIGS = 99  # their names sort as text
LABEL_DELAY = timedelta(hours=2)
LABEL_DELAY_VARIATION = timedelta(minutes=15)
LABEL_NOISE_MM = 0.2


class Plant:
    """Several rigs and what happens to them.

    A pure function of its arguments: a window's rows are the same whenever they are asked for, and
    however the stretch of time is cut into windows.

    Args:
        scenario: Name of a declared scenario, with "@" and an ISO 8601 duration for another onset.
        rigs: Number of rigs, 1 to 99.
        reading_every: Time between two readings of a rig; a day holds a whole number of them.
        seed: Seed of all chance, from 0.

    Raises:
        DeclarationError: If an argument cannot be used.
    """

    def __init__(
        self,
        scenario: str = "quiet",
        *,
        rigs: int = 10,
        reading_every: timedelta = timedelta(minutes=10),
        seed: int = 0,
    ) -> None:
        _must_be_possible(rigs=rigs, reading_every=reading_every, seed=seed)
        self.scenario: Scenario = scenario_named(scenario)
        self.rigs = rigs
        self.reading_every = reading_every
        self.seed = seed

    def readings(self, window: Window) -> pd.DataFrame:
        """Return what was read of each rig: one row a reading, sorted by measured_at and rig.

        Returns:
            rig; measured_at (start of the observed cycle, datetime64[us, UTC]); load (class of
            the payload); of the observed cycle amplitude_mm, period_s, peak_velocity_mm_s and
            offset_mm (middle of the swing from the rest position, to which the gauge is zeroed at
            each change of load); commanded for the coming cycle pulse_current_a and pulse_s;
            coil_temperature_c, supply_voltage_v, ambient_temperature_c. Instruments drop out (NaN)
            and fail (-999 or 9999) now and then.
        """
        grid = self._grid(window)
        made = self._run(grid)
        operation, observed = made.operation, made.observed
        shown = measured(
            grid,
            {
                "amplitude_mm": 1000 * observed.amplitude_m + made.parameters.sensor_bias_mm,
                "period_s": observed.period_s,
                "peak_velocity_mm_s": 1000 * observed.peak_velocity_m_s,
                "offset_mm": 1000 * observed.middle_m + operation.zero_mm,
                "coil_temperature_c": operation.coil_c,
                "supply_voltage_v": operation.supply_v,
                "ambient_temperature_c": operation.ambient_c,
            },
        )
        mechanical = ["amplitude_mm", "period_s", "peak_velocity_mm_s", "offset_mm"]
        return pd.DataFrame(
            {
                "rig": self._names[grid.rig_numbers],
                "measured_at": utc(grid.moments),
                "load": np.array(LOADS, dtype=object)[operation.load],
                **{column: shown.pop(column) for column in mechanical},
                "pulse_current_a": operation.current_a,
                "pulse_s": operation.pulse_s,
                **shown,
            }
        )

    def labels(self, window: Window) -> pd.DataFrame:
        """Return the truth about the coming cycles of the readings in the window.

        Returns:
            rig, measured_at (of the reading), next_amplitude_mm (half the way between the turning
            points of the coming cycle), known_at (two hours and up to 15 minutes later). Sorted by
            measured_at and rig.
        """
        grid = self._grid(window)
        [error] = grid.rows(normals(Stream.LABEL, grid, channels=1))
        amplitude_mm = 1000 * self._run(grid).coming.amplitude_m + LABEL_NOISE_MM * error
        [late] = grid.rows(uniforms(Stream.DELAY, grid, channels=1))
        delay_s = LABEL_DELAY.total_seconds() + LABEL_DELAY_VARIATION.total_seconds() * late
        delay = delay_s.round().astype("timedelta64[s]").astype("timedelta64[us]")
        return pd.DataFrame(
            {
                "rig": self._names[grid.rig_numbers],
                "measured_at": utc(grid.moments),
                "next_amplitude_mm": np.maximum(amplitude_mm, 0.0).round(2),
                "known_at": utc(grid.moments + delay),
            }
        )

    def rig_table(self) -> pd.DataFrame:
        """Return the rig table: rig, spring_batch, surface, mass_kg (nominal), installed_on."""
        return rig_table(self._built)

    def truth(self, window: Window) -> pd.DataFrame:
        """Return the true parameters at each full hour of the window; see ``wear.truth``."""
        start, end = instant(window.start), instant(window.end)
        first_hour = start.astype("datetime64[h]").astype("datetime64[us]")
        hours: Instants = np.arange(first_hour, end, np.timedelta64(1, "h"))
        return truth(self.scenario, hours[hours >= start], seed=self.seed, rigs=self.rigs)

    @cached_property
    def _built(self) -> tuple[Rig, ...]:
        return tuple(build(index, seed=self.seed) for index in range(self.rigs))

    @property
    def _names(self) -> np.ndarray:
        return np.array([rig.name for rig in self._built], dtype=object)

    def _grid(self, window: Window) -> Grid:
        return Grid(window, rigs=self.rigs, reading_every=self.reading_every, seed=self.seed)

    def _run(self, grid: Grid) -> Run:
        return run(grid, self.scenario, self._built)


def _must_be_possible(*, rigs: int, reading_every: timedelta, seed: int) -> None:
    if not 1 <= rigs <= MOST_RIGS:
        message = f"The plant was asked for {rigs} rigs. Give rigs from 1 to {MOST_RIGS}."
        raise DeclarationError(message)
    day = timedelta(days=1)
    if not timedelta(0) < reading_every <= day or day % reading_every:
        message = (
            f"The plant was asked for a reading every {reading_every}, which does not fit a whole "
            "number of times into a day. Give reading_every such as 10 minutes or 1 hour."
        )
        raise DeclarationError(message)
    if seed < 0:
        message = f"The plant was given the seed {seed}. Give a seed from 0."
        raise DeclarationError(message)
