"""The equations: checked against closed forms, and the integration against SciPy's solve_ivp."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ml_assets.plant.cycle import CYCLES_AT_ONCE, cycle
from ml_assets.plant.dynamics import GRAVITY_M_S2, INCLINE_RAD, Mechanics, Pulse, swing

COUNT = 12


def mechanics(*, friction: float = 1.0, damping: float = 1.0, gain: float = 1.0, count=COUNT):
    """Rigs of all kinds, with friction, damping and actuator scaled."""
    chance = np.random.default_rng(1)
    return Mechanics(
        mass_kg=chance.uniform(4.0, 5.6, count),
        stiffness_n_m=chance.uniform(1250, 1800, count),
        friction_coefficient=friction * chance.uniform(0.03, 0.07, count),
        damping_n_s_m=damping * chance.uniform(2.5, 3.5, count),
        actuator_gain=gain * chance.uniform(0.04, 0.05, count),
    )


def pulses(count=COUNT):
    chance = np.random.default_rng(2)
    return Pulse(chance.uniform(1, 4.5, count), chance.uniform(0.16, 0.28, count))


def starts(count=COUNT):
    return -np.random.default_rng(3).uniform(0.018, 0.046, count)


OFF = Pulse(np.zeros(COUNT), np.ones(COUNT))


def energy(rig: Mechanics, position, velocity):
    return rig.stiffness_n_m * position**2 / 2 + rig.mass_kg * velocity**2 / 2


def scipys(rig: Mechanics, start_m: float, pulse: Pulse, until_s: float):
    """Integrate the module docstring's equation, written out again in scalars."""
    m, k = rig.mass_kg.item(), rig.stiffness_n_m.item()
    mu, c, gain = (
        value.item() for value in (rig.friction_coefficient, rig.damping_n_s_m, rig.actuator_gain)
    )
    peak, length = pulse.current_a.item(), pulse.length_s.item()
    rest = m * 9.81 * 0.5 / k

    def motion(t, state):
        y, v = state
        i = peak * np.sin(np.pi * t / length) if t < length else 0.0
        coulomb = mu * 9.81 * np.sqrt(3) / 2 * v / np.hypot(v, 0.01)
        pull = gain * i**2 / (0.03 + 0.15 - rest - y) ** 2
        return [v, -k / m * y - c / m * v - coulomb + pull / m]

    def turns(_, state):
        return state[1]

    return solve_ivp(
        motion, (0, until_s), [start_m, 0.0], rtol=1e-9, atol=1e-11, max_step=0.01, events=turns
    )


def test_energy_and_amplitude_are_conserved_without_friction_and_actuator():
    rig = mechanics(friction=0, damping=0)
    _, position, velocity = swing(rig, starts(), OFF)
    before = energy(rig, position[0], velocity[0])
    np.testing.assert_allclose(energy(rig, position, velocity) / before, 1, atol=2e-5)
    np.testing.assert_allclose(cycle(rig, starts(), OFF).amplitude_m, -starts(), rtol=2e-5)


def test_period_without_friction_is_that_of_the_harmonic_oscillator():
    rig = mechanics(friction=0, damping=0)
    expected = 2 * np.pi * np.sqrt(rig.mass_kg / rig.stiffness_n_m)
    np.testing.assert_allclose(cycle(rig, starts(), OFF).period_s, expected, rtol=1e-4)


def test_friction_only_takes_energy():
    rig = mechanics()
    _, position, velocity = swing(rig, starts(), OFF)
    assert (np.diff(energy(rig, position, velocity), axis=0) <= 1e-9).all()


def test_coulomb_friction_takes_four_times_its_force_over_stiffness_a_cycle():
    rig = mechanics(damping=0)
    force = rig.friction_coefficient * rig.mass_kg * GRAVITY_M_S2 * np.cos(INCLINE_RAD)
    loss = -starts() + cycle(rig, starts(), OFF).upper_m
    np.testing.assert_allclose(loss, 4 * force / rig.stiffness_n_m, rtol=0.02)


def test_viscous_friction_decays_by_its_logarithmic_decrement():
    rig = mechanics(friction=0)
    ratio = -cycle(rig, starts(), OFF).upper_m / -starts()
    rate = rig.damping_n_s_m / (2 * rig.mass_kg)
    damped = np.sqrt(rig.stiffness_n_m / rig.mass_kg - rate**2)
    np.testing.assert_allclose(np.log(ratio), -rate * 2 * np.pi / damped, rtol=1e-3)


@pytest.mark.parametrize("row", range(COUNT))
def test_a_pulsed_cycle_agrees_with_solve_ivp(row):
    rig, pulse = mechanics().rows(slice(row, row + 1)), pulses().rows(slice(row, row + 1))
    start_m = starts()[row : row + 1]
    found = cycle(rig, start_m, pulse)
    solved = scipys(rig, start_m.item(), pulse, until_s=1.5 * rig.period_s.item())
    turn = solved.t_events[0] > 0.01
    (lower, upper), end_s = solved.y_events[0][turn][:2, 0], solved.t_events[0][turn][1]
    # The instruments show hundredths of a millimetre and of a second: the scheme's errors stay
    # below one of the former and a twentieth of the latter.
    np.testing.assert_allclose(found.lower_m, lower, atol=1e-5)
    np.testing.assert_allclose(found.upper_m, upper, atol=1e-5)
    np.testing.assert_allclose(found.period_s, end_s, atol=5e-4)
    np.testing.assert_allclose(found.amplitude_m, (lower - upper) / 2, atol=1e-5)


def test_a_stronger_current_swings_farther():
    rig, pulse = mechanics(), pulses()
    stronger = replace(pulse, current_a=1.2 * pulse.current_a)
    assert (cycle(rig, starts(), stronger).lower_m > cycle(rig, starts(), pulse).lower_m).all()


def test_a_carriage_that_sticks_has_no_period():
    near_rest = 0.01 * starts()
    stuck = cycle(mechanics(friction=2), near_rest, OFF)
    assert np.isnan(stuck.period_s).all()
    assert (np.abs(stuck.amplitude_m) < -near_rest).all()


def test_cycles_do_not_depend_on_those_integrated_with_them():
    count = CYCLES_AT_ONCE + 10
    rig, pulse, start_m = mechanics(count=count), pulses(count), starts(count)
    last = slice(CYCLES_AT_ONCE - 5, count)
    alone = cycle(rig.rows(last), start_m[last], pulse.rows(last))
    together = cycle(rig, start_m, pulse)
    np.testing.assert_array_equal(together.amplitude_m[last], alone.amplitude_m)
    np.testing.assert_array_equal(together.period_s[last], alone.period_s)
