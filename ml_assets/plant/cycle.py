"""One oscillation cycle of each rig: where it turns, how long it takes, how fast it gets."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ml_assets.plant.dynamics import Mechanics, Pulse, swing
from ml_assets.plant.grid import Floats

CYCLES_AT_ONCE = 4096  # the arrays of a block stay in the processor's cache
# The solver's matrix product rounds the last rows of an odd length differently.
LENGTHS_DIVIDE_BY = 16


@dataclass(frozen=True)
class Cycle:
    """One cycle, from the upper turning point down the slope and back; one element a cycle.

    Attributes:
        lower_m: Turning point down the slope, from the rest position.
        upper_m: Turning point up the slope at the end of the cycle, from the rest position.
        period_s: Time from start to end; NaN where the carriage got stuck on the way.
        peak_velocity_m_s: Largest speed.
    """

    lower_m: Floats
    upper_m: Floats
    period_s: Floats
    peak_velocity_m_s: Floats

    @property
    def amplitude_m(self) -> Floats:
        """Half the way between the two turning points."""
        return (self.lower_m - self.upper_m) / 2

    @property
    def middle_m(self) -> Floats:
        """Middle between the two turning points, from the rest position."""
        return (self.lower_m + self.upper_m) / 2


def cycle(rig: Mechanics, start_m: Floats, pulse: Pulse) -> Cycle:
    """Integrate one cycle of each rig.

    Args:
        rig: The mechanics of each cycle.
        start_m: Where the carriage turns at the start, from the rest position: negative is up the
            slope.
        pulse: The actuator's pulse, which starts with the cycle.
    """
    count = start_m.size
    padded = -(-count // LENGTHS_DIVIDE_BY) * LENGTHS_DIVIDE_BY
    places = np.minimum(np.arange(padded), count - 1)
    blocks = np.split(places, range(CYCLES_AT_ONCE, padded, CYCLES_AT_ONCE)) if count else []
    parts = [_cycle(rig.rows(rows), start_m[rows], pulse.rows(rows)) for rows in blocks]
    return Cycle(
        **{
            name: np.concatenate([np.empty(0), *(getattr(part, name) for part in parts)])[:count]
            for name in (one.name for one in fields(Cycle))
        }
    )


def _cycle(rig: Mechanics, start_m: Floats, pulse: Pulse) -> Cycle:
    step_s, positions, velocities = swing(rig, start_m, pulse)
    downwards = velocities > 0
    lower_found = downwards[:-1] & ~downwards[1:]
    # Only a turn after the lower one ends the cycle.
    upper_found = ~downwards[:-1] & downwards[1:] & np.logical_or.accumulate(lower_found)
    lower_m, _ = _turn(positions, velocities, lower_found, step_s)
    upper_m, end_s = _turn(positions, velocities, upper_found, step_s)
    return Cycle(
        lower_m=lower_m,
        upper_m=upper_m,
        period_s=np.where(upper_found.any(axis=0), end_s, np.nan),
        peak_velocity_m_s=np.abs(velocities).max(axis=0),
    )


def _turn(
    positions: Floats, velocities: Floats, found: NDArray[np.bool_], step_s: Floats
) -> tuple[Floats, Floats]:
    """Return where (m) and when (s) the first turn found is; the end of the swing where none is.

    Between two steps the velocity is taken as linear: it is zero after the share v0 / (v0 - v1) of
    the step, and the way until then is half of v0 times that time.
    """
    step = np.where(found.any(axis=0), found.argmax(axis=0), len(found) - 1)
    column = np.arange(step.size)
    before, after = velocities[step, column], velocities[step + 1, column]
    change = before - after
    share = np.divide(before, change, out=np.ones_like(change), where=change != 0)
    since_step_s = np.clip(share, 0, 1) * step_s
    return positions[step, column] + before * since_step_s / 2, step * step_s + since_step_s
