"""The declared scenarios: which parameter of the plant wears, from when and how much."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ml_assets.core.errors import DeclarationError, nearest

Parameter = Literal["stiffness_n_m", "friction_coefficient", "actuator_gain", "sensor_bias_mm"]

ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_ONSET = ORIGIN + timedelta(days=30)
_ONSET = re.compile(r"P(?:(?P<weeks>\d{1,3})W)?(?:(?P<days>\d{1,4})D)?(?:T(?P<hours>\d{1,3})H)?")


@dataclass(frozen=True)
class Scenario:
    """One thing that happens to the plant, or nothing.

    Attributes:
        name: Its name, with the onset where that was given.
        parameter: The parameter that moves; None where nothing does.
        change: Full effect on a rig of severity one: a share of the parameter, for
            ``sensor_bias_mm`` the bias itself in mm.
        onset: When it starts; None where nothing happens.
        ramp: Time from the onset to the full effect; zero is a step.
    """

    name: str
    parameter: Parameter | None = None
    change: float = 0.0
    onset: datetime | None = None
    ramp: timedelta = timedelta(0)

    @property
    def settled(self) -> datetime | None:
        """When the full effect is reached; None where nothing happens."""
        return None if self.onset is None else self.onset + self.ramp


_DECLARED = (
    Scenario("quiet"),
    Scenario("spring_fatigue", "stiffness_n_m", -0.13, DEFAULT_ONSET, timedelta(days=2)),
    Scenario("friction_step", "friction_coefficient", 0.4, DEFAULT_ONSET),
    Scenario("weak_actuator", "actuator_gain", -0.12, DEFAULT_ONSET, timedelta(days=2)),
    Scenario("sensor_bias", "sensor_bias_mm", 2.2, DEFAULT_ONSET, timedelta(days=1)),
)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _DECLARED}


def scenario_named(name: str) -> Scenario:
    """Return a declared scenario, with another onset where the name gives one.

    Args:
        name: A declared name, or name@duration with an ISO 8601 duration in weeks, days and hours
            since the plant's origin, e.g. "spring_fatigue@P20D".

    Raises:
        DeclarationError: If the name is unknown or the duration cannot be read.
    """
    base, separator, after = name.partition("@")
    if base not in SCENARIOS:
        message = f"The plant has no scenario {base!r}. {nearest(base, SCENARIOS)}"
        raise DeclarationError(message)
    scenario = SCENARIOS[base]
    if not separator:
        return scenario
    if scenario.onset is None:
        message = f"Nothing happens in scenario {base!r}, so {name!r} has no onset. Use {base!r}."
        raise DeclarationError(message)
    return replace(scenario, name=name, onset=ORIGIN + _since_origin(after, name))


def _since_origin(duration: str, name: str) -> timedelta:
    found = _ONSET.fullmatch(duration)
    parts = {unit: int(size) for unit, size in found.groupdict().items() if size} if found else {}
    if not parts:
        message = (
            f"The onset {duration!r} of scenario {name!r} is not an ISO 8601 duration in weeks, "
            "days and hours. Write for example 'P20D' or 'P20DT12H'."
        )
        raise DeclarationError(message)
    return timedelta(**parts)
