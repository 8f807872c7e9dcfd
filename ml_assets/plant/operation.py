"""How the plant is run: loads, temperatures, the swings held and the pulses commanded.

Between two readings a controller holds each rig's swing at its programme's value, whatever the
plant's wear: this is why wear hides in the readings. For a reading it lets one cycle run without
the actuator (the observed cycle) and then gives one pulse in open loop (the coming cycle).
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.plant.chance import Stream, normals, uniforms, wanders
from ml_assets.plant.grid import Floats, Grid, Indices

LOADS = ("light", "normal", "heavy")
PAYLOAD_KG = np.array([0.2, 0.8, 1.4])
SHIFTS_PER_DAY = 3
NOMINAL_AMBIENT_C = 21.0  # where friction has its nominal value
SWING_M = (0.018, 0.046)  # smallest and largest swing the programme holds
CURRENT_A = (0.8, 5.0)
PULSE_S = (0.16, 0.28)


@dataclass(frozen=True)
class Operation:
    """The true conditions of each reading, one element a row of the grid's window.

    Attributes:
        load: Number of the load class in LOADS.
        payload_kg: True mass on the carriage.
        start_m: Swing the controller holds: turning point up the slope (negative).
        current_a: Commanded peak current of the coming pulse.
        pulse_s: Commanded length of the coming pulse.
        ambient_c: Ambient temperature.
        coil_c: Temperature of the actuator's coil.
        supply_v: Supply voltage.
        lubrication: Factor on friction beyond what temperature explains: lubricant and dust.
        drive: Factor on the coil's current that no instrument sees.
        zero_mm: How far the position gauge's zero has wandered.
    """

    load: Indices
    payload_kg: Floats
    start_m: Floats
    current_a: Floats
    pulse_s: Floats
    ambient_c: Floats
    coil_c: Floats
    supply_v: Floats
    lubrication: Floats
    drive: Floats
    zero_mm: Floats

    @property
    def warmth_c(self) -> Floats:
        """How far the ambient temperature is above the nominal one."""
        return self.ambient_c - NOMINAL_AMBIENT_C


def operate(grid: Grid) -> Operation:
    """Return the conditions of each reading of the grid's window."""
    slow_swing, slow_current, ambient, coil, supply, dust, zero = grid.rows(
        wanders(grid, channels=7)
    )
    swing, current, pulse, dust_now, drive = grid.rows(normals(Stream.READING, grid, channels=5))
    load, payload_kg = _loads(grid)
    daily = np.sin(2 * np.pi * (grid.hour - 9) / 24)  # warmest at three in the afternoon
    on_grid = np.broadcast_to(daily, (grid.rigs, len(grid.days), grid.readings))
    ambient_c = NOMINAL_AMBIENT_C + 4 * grid.rows(on_grid) + ambient
    return Operation(
        load=load,
        payload_kg=payload_kg,
        start_m=-np.clip(0.032 + 0.006 * slow_swing + 0.002 * swing, *SWING_M),
        current_a=np.clip(3 + 0.5 * slow_current + 0.7 * current, *CURRENT_A).round(2),
        pulse_s=np.clip(0.22 + 0.02 * pulse, *PULSE_S).round(3),
        ambient_c=ambient_c,
        coil_c=ambient_c + 18 + 4 * slow_current + 4 * coil,
        supply_v=48 + 1.5 * supply,
        lubrication=np.exp(0.04 * dust + 0.08 * dust_now),
        drive=1 + 0.04 * drive,
        zero_mm=zero,
    )


def _loads(grid: Grid) -> tuple[Indices, Floats]:
    """Return each row's load class and true payload; both change with the shift only."""
    choice, exact = uniforms(Stream.LOAD, grid, channels=2, readings=SHIFTS_PER_DAY)
    shift = (grid.hour * (SHIFTS_PER_DAY / 24)).astype(int)
    load = grid.rows((choice * len(LOADS)).astype(int)[..., shift])
    return load, PAYLOAD_KG[load] + 0.2 * grid.rows(exact[..., shift]) - 0.1
