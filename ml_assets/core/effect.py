"""What every test of one column shares: the size of a change, and the chunks that calibrate it.

Rows of production are not independent: neighbours in time resemble each other. A test that assumes
independence rejects far too often. So the spread of every statistic is measured on consecutive
chunks of the reference, and only what exceeds it counts. Their ratio to the independent case is
the design effect (Kish 1965); rows divided by it are the effective sample.

The effect has no sample size in it: with PSI, the population stability index over about ten bins,
sqrt(max(0, PSI - (B - 1)(1/n + 1/n_ref) * design effect)) removes what noise alone adds. PSI of a
normal shift by d standard deviations is d squared, so the effect reads as standard deviations.
"""

from typing import Protocol

import numpy as np

MIN_CHUNKS = 8


class ColumnTest(Protocol):
    """Compares the bins of a window with those of the reference."""

    @property
    def design_effect(self) -> float:
        """How many dependent rows weigh as one independent row."""
        ...

    def p_value(self, bins: np.ndarray) -> float:
        """Chance of a difference this large without drift."""
        ...

    def effect(self, bins: np.ndarray) -> float:
        """Size of the difference, in standard deviations of an equivalent shift."""
        ...


def equivalent_shift(
    window: np.ndarray, reference: np.ndarray, *, design_effect: float = 1.0
) -> float:
    """Return the debiased root of the PSI of two histograms of counts.

    Example:
        >>> round(equivalent_shift(np.array([4000, 6000]), np.array([5000, 5000])), 2)
        0.2
    """
    n, n_reference = window.sum(), reference.sum()
    shares = np.maximum(window / n, 0.5 / n)
    expected = np.maximum(reference / n_reference, 0.5 / n_reference)
    psi = float(np.sum((shares - expected) * np.log(shares / expected)))
    noise = (len(window) - 1) * (1 / n + 1 / n_reference) * design_effect
    return float(max(0.0, psi - noise) ** 0.5)


def finite_reference(rows: np.ndarray, total: float) -> np.ndarray:
    """Return the factor that undoes a chunk's being part of the reference it is compared with."""
    return 1 / np.maximum(1 - rows / total, 1e-9)
