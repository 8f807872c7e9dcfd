"""What a rig's readings would be, were its spring, friction, actuator and gauge of given values.

A carriage of mass m on an incline of 30 degrees is held by a spring, slowed by dry friction, and
pulled by an electromagnet at the lower end. Lengths, coil and loads are those of the drawings;
what wears is estimated from readings alone. With y down the slope from the rest position:

    m y'' = -k y - c y' - mu m g cos(30) sign(y') + K (i(t) / (iron + gap(y)))^2

A reading is a cycle without the actuator: it starts at -a, turns at the lower end and comes back.
Between two turning points the motion is a damped half wave about -+d, d = mu m g cos(30) / k
(Lord Rayleigh's treatment of dry friction). The coming cycle starts where the reading ended and is
pulled; it is integrated with the classical Runge-Kutta method.

The start a is measured twice, by the gauge and through the peak velocity, and each with noise. It
is no parameter: its direction is projected out of the weighted residuals, row by row, so that
noise in a measured input biases nothing (total least squares, linearised).
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from ml_assets.core.change.grey_box import Floats, Parameter

GRAVITY_M_S2 = 9.81
INCLINE_RAD = np.pi / 6
MAGNET_AT_M = 0.15  # along the slope, from the spring's free end
IRON_PATH_M = 0.03  # the iron's share of the magnetic path, as an air gap
DAMPING_N_S_M = 3.0  # of the guide, by its data sheet
COIL_OHM, COPPER_PER_C = 9.0, 0.0039  # at 20 degrees Celsius
PAYLOAD_KG: Mapping[str, float] = {"light": 0.2, "normal": 0.8, "heavy": 1.4}
SLIP_M_S = 0.01
STEPS, PERIODS = 18, 1.2

# Standard deviations by which residuals are weighted: of the gauge, the velocity, the period by
# their data sheets; of the coming amplitude what friction and current scatter from cycle to cycle.
GAUGE_MM, VELOCITY_MM_S, PERIOD_S, COMING_MM = 0.7, 20.0, 0.03, 1.0


class RigPhysics:
    """The rigs of the plant: four parameters a rig."""

    parameters: tuple[Parameter, ...] = (
        Parameter("stiffness_n_m", "N/m", start=1600.0, low=400.0, high=4000.0),
        Parameter("friction_coefficient", "1", start=0.042, low=0.001, high=0.3),
        Parameter("actuator_gain", "N m²/A²", start=0.045, low=0.005, high=0.2),
        Parameter("sensor_bias_mm", "mm", start=0.0, low=-15.0, high=15.0, scale=1.0),
    )
    columns: tuple[str, ...] = (
        "mass_kg",
        "load",
        "amplitude_mm",
        "period_s",
        "peak_velocity_mm_s",
        "pulse_current_a",
        "pulse_s",
        "coil_temperature_c",
        "supply_voltage_v",
    )

    def residuals(self, values: Mapping[str, Floats], rows: pd.DataFrame) -> Floats:
        """Return what the readings differ from the model by, in standard deviations.

        Args:
            values: Each parameter, one element a row.
            rows: ``columns`` and the truth (the coming amplitude in mm), as ``truth``.

        Returns:
            Shape (rows, 4): gauge, peak velocity, period, coming amplitude.
        """
        mass = (rows["mass_kg"] + rows["load"].map(PAYLOAD_KG)).to_numpy(float)
        shown = rows[["amplitude_mm", "peak_velocity_mm_s", "period_s", "truth"]].to_numpy(float)
        weights = 1 / np.array([GAUGE_MM, VELOCITY_MM_S, PERIOD_S, COMING_MM])
        pulse = (_current(rows), rows["pulse_s"].to_numpy(float))
        start_m = _start(values, mass, shown[:, 0])
        step_m = 1e-4
        expected = _readings(values, mass, start_m, pulse)
        further = _readings(values, mass, start_m + step_m, pulse)
        along = (further - expected) / step_m * weights
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        residuals = (shown - expected) * weights
        return residuals - (residuals * along).sum(axis=1, keepdims=True) * along


def _half_wave(values: Mapping[str, Floats], mass: Floats) -> tuple[Floats, Floats, Floats]:
    """Return dry friction's shift in m, the share a half wave keeps, and the damping ratio."""
    stiffness = values["stiffness_n_m"]
    normal = mass * GRAVITY_M_S2 * np.cos(INCLINE_RAD)
    damping = DAMPING_N_S_M / (2 * np.sqrt(stiffness * mass))
    keep = np.exp(-np.pi * damping / np.sqrt(1 - damping**2))
    return values["friction_coefficient"] * normal / stiffness, keep, damping


def _start(values: Mapping[str, Floats], mass: Floats, amplitude_mm: Floats) -> Floats:
    """Return where a reading started, in m up the slope, from its amplitude by the gauge.

    With lower = q (a - d) - d and upper = d - q (lower - d), half their distance is
    (1 + q) (q (a - d) - 2 d) / 2.
    """
    shift, keep, _ = _half_wave(values, mass)
    amplitude_m = (amplitude_mm - values["sensor_bias_mm"]) / 1000
    return np.maximum((2 * amplitude_m / (1 + keep) + 2 * shift) / keep + shift, 1e-3)


def _readings(
    values: Mapping[str, Floats], mass: Floats, start_m: Floats, pulse: tuple[Floats, Floats]
) -> Floats:
    """Return gauge in mm, peak velocity in mm/s, period in s and coming amplitude in mm."""
    shift, keep, damping = _half_wave(values, mass)
    natural = np.sqrt(values["stiffness_n_m"] / mass)
    under = np.sqrt(1 - damping**2)
    lower = keep * (start_m - shift) - shift
    upper = shift - keep * (lower - shift)
    slowed = np.exp(-damping / under * np.arctan2(under, damping))
    return np.column_stack(
        [
            500 * (lower - upper) + values["sensor_bias_mm"],
            1000 * natural * (start_m - shift) * slowed,
            2 * np.pi / (natural * under),
            1000 * _pulled(values, mass, upper, pulse),
        ]
    )


def _current(rows: pd.DataFrame) -> Floats:
    """Return the peak current in A that the coil reaches: the supply drives at most U / R(T)."""
    warmth = rows["coil_temperature_c"].to_numpy(float) - 20
    limit = rows["supply_voltage_v"].to_numpy(float) / (COIL_OHM * (1 + COPPER_PER_C * warmth))
    asked = rows["pulse_current_a"].to_numpy(float)
    return asked / (1 + (asked / limit) ** 4) ** 0.25


def _pulled(
    values: Mapping[str, Floats], mass: Floats, start_m: Floats, pulse: tuple[Floats, Floats]
) -> Floats:
    """Return half the way between the turning points of a cycle with a half-sine pulse, in m."""
    stiffness, gain = values["stiffness_n_m"] / mass, values["actuator_gain"] / mass
    grip = values["friction_coefficient"] * GRAVITY_M_S2 * np.cos(INCLINE_RAD)
    reach = IRON_PATH_M + MAGNET_AT_M - GRAVITY_M_S2 * np.sin(INCLINE_RAD) / stiffness
    current, length_s = pulse
    step = 2 * np.pi / np.sqrt(stiffness) / STEPS
    squared, phase = gain * current**2, np.pi * step / length_s

    def force(at: float, position: Floats, velocity: Floats) -> Floats:
        angle = np.minimum(at * phase, np.pi)
        pull = squared * (np.sin(angle) / (reach - position)) ** 2
        slip = velocity / np.sqrt(velocity * velocity + SLIP_M_S**2)
        return pull - stiffness * position - DAMPING_N_S_M / mass * velocity - grip * slip

    position, velocity = start_m, np.zeros_like(start_m)
    lower = np.full_like(start_m, -np.inf)
    upper = np.full_like(start_m, np.inf)
    for number in range(round(PERIODS * STEPS)):
        moved, faster = _step(force, number, position, velocity, step)
        turned = _turning(position, velocity, faster, step)
        down = (velocity > 0) & (faster <= 0) & (lower == -np.inf)
        up = (velocity < 0) & (faster >= 0) & (lower > -np.inf) & (upper == np.inf)
        lower, upper = np.where(down, turned, lower), np.where(up, turned, upper)
        position, velocity = moved, faster
    # A carriage that stuck never turned: it is where it stopped.
    return (
        np.where(lower > -np.inf, lower, position) - np.where(upper < np.inf, upper, position)
    ) / 2


def _step(
    force: Callable[[float, Floats, Floats], Floats],
    number: int,
    position: Floats,
    velocity: Floats,
    step: Floats,
) -> tuple[Floats, Floats]:
    """Return position and velocity one step of Runge and Kutta's method later."""
    half = step / 2
    a1 = force(number, position, velocity)
    v2 = velocity + half * a1
    a2 = force(number + 0.5, position + half * velocity, v2)
    v3 = velocity + half * a2
    a3 = force(number + 0.5, position + half * v2, v3)
    v4 = velocity + step * a3
    a4 = force(number + 1, position + step * v3, v4)
    moved = position + step / 6 * (velocity + 2 * v2 + 2 * v3 + v4)
    return moved, velocity + step / 6 * (a1 + 2 * a2 + 2 * a3 + a4)


def _turning(position: Floats, velocity: Floats, faster: Floats, step: Floats) -> Floats:
    """Return where a step's motion turns, with the velocity taken as linear in it."""
    change = np.where(velocity == faster, 1.0, velocity - faster)
    return position + velocity * np.clip(velocity / change, 0, 1) * step / 2
