"""What every test of one column shares: its shape, and the size of a change.

A test that assumes independent rows rejects far too often. So the spread of every statistic is
measured on consecutive chunks of the reference, and only what exceeds it counts. Their ratio to
the independent case is the design effect (Kish 1965); rows divided by it are the effective sample.

The effect has no sample size in it: with PSI, the population stability index over about ten bins,
sqrt(max(0, PSI - (B - 1)(1/n + 1/n_ref) * design effect)) removes what noise alone adds. PSI of a
normal shift by d standard deviations is d squared, so the effect reads as standard deviations.
"""

from typing import Protocol

import numpy as np


class ColumnTest(Protocol):
    """Compares the bins of windows with those of the reference.

    ``bins`` has one row a window, or is one window; ``windows`` is their common length and ``mix``
    their rows by phase of the season.
    """

    def design_effect(self, windows: int = 1) -> float:
        """How many dependent rows weigh as one independent row."""
        ...

    def p_value(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Chance of differences this large without drift."""
        ...

    def effect(
        self, bins: np.ndarray, *, windows: int = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Size of the differences, in standard deviations of an equivalent shift."""
        ...


def equivalent_shift(
    window: np.ndarray, reference: np.ndarray, *, design_effect: float = 1.0
) -> np.ndarray:
    """Return the debiased root of the PSI of histograms of counts against one of the reference.

    Example:
        >>> equivalent_shift(np.array([4000, 6000]), np.array([5000, 5000])).round(2).tolist()
        0.2
    """
    n, n_reference = np.maximum(window.sum(axis=-1, keepdims=True), 1), reference.sum()
    shares = np.maximum(window / n, 0.5 / n)
    expected = np.maximum(reference / n_reference, 0.5 / n_reference)
    psi = np.sum((shares - expected) * np.log(shares / expected), axis=-1)
    noise = (window.shape[-1] - 1) * (1 / n[..., 0] + 1 / n_reference) * design_effect
    return np.sqrt(np.maximum(0.0, psi - noise))
