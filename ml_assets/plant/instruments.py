"""What the instruments show of the truth: noise, bias, rounding, dropouts and garbage."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml_assets.plant.chance import Stream, normals, of_rig, uniforms
from ml_assets.plant.grid import Floats, Grid

DROPOUT_RATE = 0.005
GARBAGE_RATE = 0.0005
DECIMALS = 2  # what every display shows
GARBAGE = (-999.0, 9999.0)  # what a broken and what an overrun instrument shows


@dataclass(frozen=True)
class Instrument:
    """How one quantity is measured, in the unit of its column.

    Attributes:
        noise: Standard deviation of a single value's error.
        bias: Standard deviation over the rigs of the instrument's own constant error.
    """

    noise: float
    bias: float = 0.0


INSTRUMENTS: Mapping[str, Instrument] = {
    "amplitude_mm": Instrument(noise=0.7, bias=0.2),
    "period_s": Instrument(noise=0.03),
    "peak_velocity_mm_s": Instrument(noise=20.0, bias=5.0),
    "offset_mm": Instrument(noise=0.5, bias=1.0),
    "coil_temperature_c": Instrument(noise=1.0, bias=0.5),
    "supply_voltage_v": Instrument(noise=0.1, bias=0.1),
    "ambient_temperature_c": Instrument(noise=0.3, bias=0.2),
}


def measured(grid: Grid, true: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return what the instruments show.

    Args:
        grid: The grid whose window's rows are measured.
        true: True values of every instrument in INSTRUMENTS, one element a row.

    Returns:
        Values by column: NaN where the instrument dropped out, one of GARBAGE where it failed.
    """
    noise = grid.rows(normals(Stream.INSTRUMENT, grid, channels=len(INSTRUMENTS)))
    fault = grid.rows(uniforms(Stream.FAULT, grid, channels=len(INSTRUMENTS)))
    bias = _biases(grid)[:, grid.rig_numbers]
    shown = {}
    for number, (column, instrument) in enumerate(INSTRUMENTS.items()):
        error = instrument.noise * noise[number] + instrument.bias * bias[number]
        shown[column] = _with_faults((true[column] + error).round(DECIMALS), fault[number])
    return shown


def _biases(grid: Grid) -> Floats:
    """Return the constant errors in units of ``Instrument.bias``, shape (instruments, rigs)."""
    chances = [of_rig(Stream.GAUGE, seed=grid.seed, rig=rig) for rig in range(grid.rigs)]
    return np.array([chance.standard_normal(len(INSTRUMENTS)) for chance in chances]).T


def _with_faults(values: Floats, fault: Floats) -> Floats:
    broken, overrun = GARBAGE
    garbage = np.where(fault < DROPOUT_RATE + GARBAGE_RATE / 2, broken, overrun)
    faulty = np.where(fault < DROPOUT_RATE, np.nan, garbage)
    return np.where(fault < DROPOUT_RATE + GARBAGE_RATE, faulty, values)
