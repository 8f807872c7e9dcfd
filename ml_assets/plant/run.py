"""The plant at work: each reading's observed cycle and the cycle that follows it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml_assets.plant.cycle import Cycle, cycle
from ml_assets.plant.dynamics import Mechanics, Pulse
from ml_assets.plant.grid import Floats, Grid
from ml_assets.plant.operation import Operation, operate
from ml_assets.plant.rigs import DAMPING_N_S_M, Rig, hidden
from ml_assets.plant.scenarios import Scenario
from ml_assets.plant.wear import Parameters, parameters

COIL_OHM = 9.0  # at 20 degrees Celsius
COPPER_PER_C = 0.0039  # temperature coefficient of copper's resistance
FRICTION_PER_C = -0.006
DAMPING_PER_C = -0.015


@dataclass(frozen=True)
class Run:
    """The truth of the readings in a grid's window, one element a row.

    Attributes:
        operation: The conditions of each reading.
        parameters: The plant's parameters at each reading.
        rig: The mechanics of each reading, at its temperature and load.
    """

    operation: Operation
    parameters: Parameters
    rig: Mechanics

    @cached_property
    def observed(self) -> Cycle:
        """The cycle that the instruments see; the actuator is off."""
        start_m = self.operation.start_m
        return cycle(self.rig, start_m, Pulse(np.zeros_like(start_m), np.ones_like(start_m)))

    @cached_property
    def coming(self) -> Cycle:
        """The cycle after it, which begins where the observed one ends, with the pulse."""
        pulse = Pulse(coil_current(self.operation), self.operation.pulse_s)
        return cycle(self.rig, self.observed.upper_m, pulse)


def run(grid: Grid, scenario: Scenario, rigs: tuple[Rig, ...]) -> Run:
    """Return what happens to the rigs in the grid's window."""
    number = grid.rig_numbers
    operation = operate(grid)
    now = parameters(scenario, rigs, rig=number, at=grid.moments)
    warmth = operation.warmth_c
    friction = now.friction_coefficient * (1 + FRICTION_PER_C * warmth) * operation.lubrication
    nominal_kg = hidden(rigs, "mass_kg")[number]
    return Run(
        operation=operation,
        parameters=now,
        rig=Mechanics(
            mass_kg=nominal_kg + operation.payload_kg,
            stiffness_n_m=now.stiffness_n_m,
            friction_coefficient=friction,
            damping_n_s_m=DAMPING_N_S_M * (1 + DAMPING_PER_C * warmth),
            actuator_gain=now.actuator_gain,
        ),
    )


def coil_current(operation: Operation) -> Floats:
    """Return the peak current in A that the coil reaches of the commanded one.

    The supply drives at most U / R(T); towards this limit the current gives way smoothly.
    """
    resistance = COIL_OHM * (1 + COPPER_PER_C * (operation.coil_c - 20))
    limit = operation.supply_v / resistance
    reached = operation.current_a / (1 + (operation.current_a / limit) ** 4) ** 0.25
    return reached * operation.drive
