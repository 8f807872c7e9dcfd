"""What each rig was built of: the public rig table and the hidden constants behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from ml_assets.plant.chance import Stream, of_rig
from ml_assets.plant.grid import Floats

# Hidden: the rig table names the batch and the surface, never these values.
STIFFNESS_N_M: Mapping[str, float] = {"S19": 1450.0, "S22": 1600.0, "S24": 1750.0}
FRICTION_COEFFICIENT: Mapping[str, float] = {"ptfe": 0.032, "bronze": 0.042, "steel": 0.052}
ACTUATOR_GAIN = 0.045
DAMPING_N_S_M = 3.0
FIRST_INSTALLED = date(2024, 3, 4)


@dataclass(frozen=True)
class Rig:
    """One rig as it was built.

    Attributes:
        name: Its id in every table.
        spring_batch: Delivery its spring is from; explains most of the stiffness.
        surface: What the carriage slides on; explains most of the friction.
        mass_kg: Nominal mass of the empty carriage.
        installed_on: Day it was taken into operation.
        stiffness_n_m: Hidden, N/m.
        friction_coefficient: Hidden, at 21 degrees Celsius.
        actuator_gain: Hidden, N m^2/A^2.
        severity: Hidden: how strongly a wear of the plant takes hold of this rig; 1 on average.
    """

    name: str
    spring_batch: str
    surface: str
    mass_kg: float
    installed_on: date
    stiffness_n_m: float
    friction_coefficient: float
    actuator_gain: float
    severity: float


def build(index: int, *, seed: int) -> Rig:
    """Return rig number ``index`` (from 0); it does not depend on how many others there are."""
    chance = of_rig(Stream.BUILD, seed=seed, rig=index)
    spring_batch = tuple(STIFFNESS_N_M)[index % 3]
    surface = tuple(FRICTION_COEFFICIENT)[index // 3 % 3]
    mass_kg, stiffness, friction, gain = chance.standard_normal(4)
    return Rig(
        name=f"rig_{index + 1:02d}",
        spring_batch=spring_batch,
        surface=surface,
        mass_kg=round(4.0 + 0.1 * float(mass_kg), 2),
        installed_on=FIRST_INSTALLED + timedelta(days=int(chance.integers(0, 600))),
        stiffness_n_m=STIFFNESS_N_M[spring_batch] * float(np.exp(0.02 * stiffness)),
        friction_coefficient=FRICTION_COEFFICIENT[surface] * float(np.exp(0.05 * friction)),
        actuator_gain=ACTUATOR_GAIN * float(np.exp(0.03 * gain)),
        severity=float(of_rig(Stream.SEVERITY, seed=seed, rig=index).uniform(0.8, 1.2)),
    )


def rig_table(rigs: tuple[Rig, ...]) -> pd.DataFrame:
    """Return what the plant's office knows: one row a rig, nothing hidden."""
    known = ["name", "spring_batch", "surface", "mass_kg", "installed_on"]
    table = pd.DataFrame({name: [getattr(rig, name) for rig in rigs] for name in known})
    return table.rename(columns={"name": "rig"})


def hidden(rigs: tuple[Rig, ...], name: str) -> Floats:
    """Return one hidden constant of all rigs."""
    return np.array([getattr(rig, name) for rig in rigs])
