"""The truth: the plant's parameters over time. Only the scoreboard reads it."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from ml_assets.plant.grid import Floats, Indices
from ml_assets.plant.instants import Instants, instant, utc
from ml_assets.plant.rigs import Rig, build, hidden
from ml_assets.plant.scenarios import Scenario


@dataclass(frozen=True)
class Parameters:
    """What may wear, one element a moment of a rig.

    Attributes:
        stiffness_n_m: Stiffness of the spring, N/m.
        friction_coefficient: Coulomb friction at 21 degrees Celsius.
        actuator_gain: Force of the actuator, N m^2/A^2.
        sensor_bias_mm: What the gauge adds to every amplitude.
    """

    stiffness_n_m: Floats
    friction_coefficient: Floats
    actuator_gain: Floats
    sensor_bias_mm: Floats


def progress(scenario: Scenario, times: Instants) -> Floats:
    """Return the share of the full effect: 0 before the onset, then 3p^2 - 2p^3 up to 1."""
    if scenario.onset is None:
        return np.zeros(times.shape)
    since = times - instant(scenario.onset)
    if not scenario.ramp:
        return (since >= np.timedelta64(0)).astype(float)
    p = np.clip(since / np.timedelta64(scenario.ramp, "us"), 0.0, 1.0)
    return p * p * (3 - 2 * p)


def parameters(
    scenario: Scenario, rigs: tuple[Rig, ...], *, rig: Indices, at: Instants
) -> Parameters:
    """Return the parameters of rig number ``rig`` (from 0) at each moment ``at`` (UTC)."""
    built = Parameters(
        stiffness_n_m=hidden(rigs, "stiffness_n_m")[rig],
        friction_coefficient=hidden(rigs, "friction_coefficient")[rig],
        actuator_gain=hidden(rigs, "actuator_gain")[rig],
        sensor_bias_mm=np.zeros(rig.shape),
    )
    if scenario.parameter is None:
        return built
    effect = scenario.change * hidden(rigs, "severity")[rig] * progress(scenario, at)
    values = {one.name: getattr(built, one.name) for one in fields(Parameters)}
    before = values[scenario.parameter]
    additive = scenario.parameter == "sensor_bias_mm"
    values[scenario.parameter] = before + effect if additive else before * (1 + effect)
    return Parameters(**values)


def truth(scenario: Scenario, times: Instants, *, seed: int, rigs: int = 10) -> pd.DataFrame:
    """Return every rig's true parameters at each of the times.

    Args:
        scenario: What happens to the plant.
        times: Moments in UTC, datetime64.
        seed: The plant's seed.
        rigs: Number of rigs.

    Returns:
        Columns rig, at and one for each parameter, sorted by at and rig.
    """
    built = tuple(build(index, seed=seed) for index in range(rigs))
    at = np.repeat(times.astype("datetime64[us]"), rigs)
    rig = np.tile(np.arange(rigs), times.size)
    found = parameters(scenario, built, rig=rig, at=at)
    names = np.array([one.name for one in built])
    columns = {"rig": names[rig], "at": utc(at)}
    values = {one.name: getattr(found, one.name) for one in fields(Parameters)}
    return pd.DataFrame(columns | values)
