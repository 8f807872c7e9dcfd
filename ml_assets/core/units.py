"""Whether numbers look as if their unit had changed.

A change of unit maps every value as a x + b with a and b from a short list. It shows in a window's
mean, deviation and extremes, which a profile holds: all of them must fit the map, and must be far
from fitting the identity. A map that is close to another one is told apart by the better fit.
"""

from collections.abc import Iterator

import numpy as np

from ml_assets.core.histograms import ColumnCounts

SLACK = 0.05  # of a standard deviation or of its logarithm: production is never quite the same
ERRORS = 4  # standard errors within which a map fits
FAR = 4  # how many times worse than the map the identity must fit

CONVERSIONS: tuple[tuple[str, float, float], ...] = (
    ("a change of sign", -1.0, 0.0),
    ("a factor of 10", 10.0, 0.0),
    ("a factor of 100", 100.0, 0.0),
    ("a factor of 1000", 1e3, 0.0),
    ("a factor of a million", 1e6, 0.0),
    ("a factor of 60", 60.0, 0.0),
    ("a factor of 3600", 3600.0, 0.0),
    ("m/s and km/h", 3.6, 0.0),
    ("inches and centimetres", 2.54, 0.0),
    ("feet and metres", 0.3048, 0.0),
    ("miles and kilometres", 1.609344, 0.0),
    ("kilograms and pounds", 2.2046226, 0.0),
    ("degrees and radians", 57.29578, 0.0),
    ("bar and psi", 14.503774, 0.0),
    ("psi and kilopascals", 6.8947573, 0.0),
    ("calories and joules", 4.184, 0.0),
    ("degrees Celsius and kelvins", 1.0, 273.15),
    ("degrees Celsius and Fahrenheit", 1.8, 32.0),
    ("kelvins and degrees Fahrenheit", 1.8, -459.67),
)


def unit_change(window: ColumnCounts, known: ColumnCounts, *, rows: float) -> str | None:
    """Name the conversion that explains a window's numbers, or return None.

    Args:
        window: Counts of the window.
        known: Counts of the reference.
        rows: Effective rows of the window.

    Example:
        >>> from ml_assets.core.histograms import NumericBins
        >>> values = np.random.default_rng(0).normal(20, 5, 1000)
        >>> bins = NumericBins.fit(values)
        >>> unit_change(bins.count(values * 1.8 + 32), bins.count(values), rows=1000)
        'degrees Celsius and Fahrenheit'
        >>> unit_change(bins.count(values + 2), bins.count(values), rows=1000)
    """
    if not known.deviation or not window.deviation or rows < 2:
        return None
    fits = [(_misfit(window, known, a, b, rows), name) for name, a, b in _both_ways()]
    misfit, name = min(fits)
    explained = misfit <= 1 and _misfit(window, known, 1.0, 0.0, rows) >= FAR
    return name if explained else None


def _both_ways() -> Iterator[tuple[str, float, float]]:
    for name, factor, offset in CONVERSIONS:
        yield name, factor, offset
        yield name, 1 / factor, -offset / factor


def _misfit(
    window: ColumnCounts, known: ColumnCounts, factor: float, offset: float, rows: float
) -> float:
    """Return the worst distance from a map, in what is allowed; infinite outside its range."""
    deviation = abs(factor) * (known.deviation or 0.0)
    mean = factor * (known.mean or 0.0) + offset
    allowed = SLACK + ERRORS / rows**0.5
    ends = (factor * (known.low or 0.0) + offset, factor * (known.high or 0.0) + offset)
    reach = max(ends) - min(ends)
    outside = max(min(ends) - (window.low or 0.0), (window.high or 0.0) - max(ends)) > reach / 4
    if outside and factor != 1.0:
        return float("inf")
    spread = abs(float(np.log((window.deviation or 0.0) / deviation)))
    return max(spread, abs((window.mean or 0.0) - mean) / deviation) / allowed
