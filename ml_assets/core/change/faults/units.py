"""A column that is suddenly in another unit: its values are a known affine image of the old ones.

A unit changes at one moment, for all entities, by a factor that is written in books. The world
does not: that a shift of the world has one of these factors in its centre and in its spread at
once, and from one row to the next, is not expected.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.faults.distance import (
    MIN_VALUES,
    Column,
    columns_of,
    quantiles,
)
from ml_assets.core.change.faults.fault import Fault, Repair
from ml_assets.core.change.faults.moment import first_moment, switch
from ml_assets.core.change.rows import ComparedRows

TRIED = 8  # units, the nearest ones
CLEARLY = 0.3  # the image must be nearer than this share of what nothing having changed leaves
BESIDE = 0.05  # nearer than this share, it need not be as near as usual
BETTER = 0.5  # and than this share of what a mere shift leaves


@dataclass(frozen=True)
class Unit:
    """An exchange of units: new = factor * old + offset."""

    factor: float
    offset: float
    says: str

    def old(self, values: FloatArray) -> FloatArray:
        """Return values in the old unit."""
        return (values - self.offset) / self.factor

    @property
    def back(self) -> "Unit":
        """The opposite exchange."""
        return Unit(1 / self.factor, -self.offset / self.factor, f"{self.says}, backwards")


_KNOWN = (  # the commonest first
    Unit(1000, 0, "times 1000, as metres in millimetres or kilo left out"),
    Unit(100, 0, "times 100, as a share in percent or metres in centimetres"),
    Unit(10, 0, "times 10"),
    Unit(1e6, 0, "times 1,000,000"),
    Unit(1.8, 32, "times 1.8 and 32 added, as °C in °F"),
    Unit(1, 273.15, "273.15 added, as °C in K"),
    Unit(3.6, 0, "times 3.6, as m/s in km/h"),
    Unit(25.4, 0, "times 25.4, as inches in millimetres"),
    Unit(2.54, 0, "times 2.54, as inches in centimetres"),
    Unit(60, 0, "times 60, as minutes in seconds"),
    Unit(3600, 0, "times 3600, as hours in seconds"),
    Unit(-1, 0, "with the opposite sign"),
    Unit(1.609344, 0, "times 1.609, as miles in kilometres"),
    Unit(2.2046226218, 0, "times 2.205, as kilograms in pounds"),
    Unit(3.280839895, 0, "times 3.281, as metres in feet"),
    Unit(2.2369362920544, 0, "times 2.237, as m/s in mph"),
    Unit(57.29577951, 0, "times 57.3, as radians in degrees"),
    Unit(1.9438444924406, 0, "times 1.944, as m/s in knots"),
    Unit(1.852, 0, "times 1.852, as nautical miles in kilometres"),
    Unit(24, 0, "times 24, as days in hours"),
    Unit(6.894757293, 0, "times 6.895, as psi in kPa"),
    Unit(9.80665, 0, "times 9.807, as kgf in newtons or g in m/s²"),
    Unit(3.785411784, 0, "times 3.785, as gallons in litres"),
    Unit(4.184, 0, "times 4.184, as calories in joules"),
)
UNITS = tuple(way for unit in _KNOWN for way in ((unit,) if unit.factor < 0 else (unit, unit.back)))


def changed_units(reference: ComparedRows, recent: ComparedRows) -> Iterator[Fault]:
    """Yield each column whose unit has changed."""
    for column in columns_of(reference, recent):
        found = _exchange(column, reference, recent) if column.moved else None
        if found is not None:
            yield found


def _exchange(column: Column, reference: ComparedRows, recent: ComparedRows) -> Fault | None:
    before, values = reference.numbers(column.name), recent.numbers(column.name)
    nearest = sorted(UNITS, key=lambda unit: column.distance(unit.old(column.since)))
    possible: list[tuple[float, Unit, int]] = []
    for unit in nearest[:TRIED]:
        # The recent rows may begin before the change: what came after it is to be the image.
        start = switch(before, unit.factor * before + unit.offset, values)
        part = values[start:][np.isfinite(values[start:])]
        if len(part) >= MIN_VALUES and _is_image(column, unit, part):
            possible.append((column.distance(quantiles(unit.old(part))), unit, start))
    if not possible:
        return None
    # Factors are close to each other, and levels wander: of equals, the commonest is meant.
    equal = min(distance for distance, _, _ in possible) + column.usual / 2
    alike = [(unit, start) for distance, unit, start in possible if distance <= equal]
    unit, start = min(alike, key=lambda one: UNITS.index(one[0]))
    since = first_moment(recent, start)
    repair = _repair(column.name, unit, since)
    return Fault("changed_unit", (column.name,), since, f"is {unit.says}", repair)


def _is_image(column: Column, unit: Unit, part: FloatArray) -> bool:
    """Say whether the old values explain the new ones by the unit, and by nothing simpler."""
    image, plain = quantiles(unit.old(part)), quantiles(part)
    left = column.distance(image)
    away = column.distance(plain)
    # Levels wander further than usual; beside a leap to another order of size that is nothing.
    near = column.resembles(image) or left < BESIDE * away
    if not near or left > CLEARLY * away:
        return False
    moved = column.distance(plain - np.median(plain) + np.median(column.before))
    return abs(unit.factor) == 1 or left < BETTER * moved


def _repair(name: str, unit: Unit, since: datetime) -> Repair:
    def repaired(frame: pd.DataFrame) -> pd.DataFrame:
        late = (frame["event_time"] >= since).to_numpy()
        values = frame[name].to_numpy(dtype=np.float64)
        return frame.assign(**{name: np.where(late, unit.old(values), values)})

    return repaired
