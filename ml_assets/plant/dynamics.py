"""The equations of one rig and their integration.

A carriage of mass m [kg] runs on an incline of 30 degrees, held by a spring from above. An
electromagnet below pulls it down the slope. With y [m] the displacement down the slope from where
spring and gravity balance:

    y'' = -(k/m) y  -  (c/m) y'  -  mu g cos(30) y'/sqrt(y'^2 + s^2)  +  (K/m) (i(t) / gap(y))^2

- k [N/m] stiffness; c [N s/m] viscous friction; mu [-] Coulomb friction, smoothed over the slip
  speed s [m/s], so that the equation has a solution everywhere; g [m/s^2] gravity.
- K [N m^2/A^2] gain of the actuator. An electromagnet's force grows with the square of the current
  and falls with the square of the magnetic path: the air gap plus the share of the iron.
- i(t) [A] is a half sine of the pulse's length, because a coil's current cannot jump.

The rest position (m g sin(30) / k from the spring's free end) sets the gap: a soft spring or a
heavy load lets the carriage sag towards the magnet.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ml_assets.plant.grid import Floats

Rows = slice | NDArray[np.intp]

GRAVITY_M_S2 = 9.81
INCLINE_RAD = np.pi / 6
SLIP_SPEED_M_S = 0.01
MAGNET_AT_M = 0.15  # along the slope, from the spring's free end
IRON_PATH_M = 0.03  # reluctance of the iron, as an equivalent air gap
STEPS_PER_PERIOD = 48
PERIODS = 1.15  # friction and the pulse lengthen a cycle a little
ANY_ERROR = 1e9


@dataclass(frozen=True)
class Mechanics:
    """What a cycle depends on, one element a cycle (arrays of one shape, SI units)."""

    mass_kg: Floats
    stiffness_n_m: Floats
    friction_coefficient: Floats
    damping_n_s_m: Floats
    actuator_gain: Floats

    @property
    def rest_m(self) -> Floats:
        """Where spring and gravity balance, down the slope from the spring's free end."""
        return self.mass_kg * GRAVITY_M_S2 * np.sin(INCLINE_RAD) / self.stiffness_n_m

    @property
    def period_s(self) -> Floats:
        """Period of the motion without friction and actuator: 2 pi sqrt(m/k)."""
        return 2 * np.pi * np.sqrt(self.mass_kg / self.stiffness_n_m)

    def rows(self, block: Rows) -> Self:
        """Return some of the cycles."""
        return type(self)(**{one.name: getattr(self, one.name)[block] for one in fields(self)})


@dataclass(frozen=True)
class Pulse:
    """The actuator's half-sine pulses: peak current and length, one element a cycle."""

    current_a: Floats
    length_s: Floats

    def current(self, time_s: Floats) -> Floats:
        """Return the current at a time since the start of the cycle."""
        phase = np.pi * np.minimum(time_s / self.length_s, 1.0)
        return self.current_a * np.sin(phase)

    def rows(self, block: Rows) -> "Pulse":
        """Return some of the pulses."""
        return Pulse(self.current_a[block], self.length_s[block])


def acceleration(
    rig: Mechanics, position_m: Floats, velocity_m_s: Floats, current_a: Floats | float
) -> Floats:
    """Return y'' in m/s^2 for positions from the rest position; see the module's equation."""
    spring = -rig.stiffness_n_m * position_m
    viscous = -rig.damping_n_s_m * velocity_m_s
    slip = velocity_m_s / np.sqrt(velocity_m_s * velocity_m_s + SLIP_SPEED_M_S**2)
    normal = rig.mass_kg * (GRAVITY_M_S2 * np.cos(INCLINE_RAD))
    air_gap = np.maximum(MAGNET_AT_M - rig.rest_m - position_m, 0.0)
    pull = rig.actuator_gain * (current_a / (IRON_PATH_M + air_gap)) ** 2
    return (spring + viscous - rig.friction_coefficient * normal * slip + pull) / rig.mass_kg


def swing(
    rig: Mechanics, start_m: Floats, pulse: Pulse, *, steps_per_period: int = STEPS_PER_PERIOD
) -> tuple[Floats, Floats, Floats]:
    """Integrate a little over one cycle from rest, with SciPy's Dormand-Prince method.

    The step is fixed and in proportion to each rig's own period: all cycles advance together, and
    what one rig does has no say in the step of another.

    Args:
        rig: The mechanics of each cycle.
        start_m: Displacement from the rest position at the start, where the speed is zero.
        pulse: The actuator's pulse, which starts with the cycle.
        steps_per_period: Number of steps in 2 pi sqrt(m/k).

    Returns:
        Step in s (one a cycle), and positions in m and velocities in m/s of shape
        (steps + 1, cycles).
    """
    from scipy.integrate import solve_ivp  # noqa: PLC0415  half a second that readers can spare

    count, period_s = start_m.size, rig.period_s
    step = 1 / steps_per_period

    def motion(share: float, state: Floats) -> Floats:
        position, velocity = state[:count], state[count:]
        pull = pulse.current(share * period_s)
        change = acceleration(rig, position, velocity, pull)
        return np.concatenate([velocity * period_s, change * period_s])

    solved = solve_ivp(
        motion,
        (0.0, round(PERIODS * steps_per_period) * step),
        np.concatenate([start_m, np.zeros(count)]),
        method="RK45",
        first_step=step,
        max_step=step,
        rtol=ANY_ERROR,  # the step stays as it is
        atol=ANY_ERROR,
    )
    return step * period_s, solved.y[:count].T, solved.y[count:].T
