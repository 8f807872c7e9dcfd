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

from ml_assets.core.spread import Lengths, Spread


class ColumnTest(Protocol):
    """Compares the bins of windows with those of the reference.

    ``bins`` has one row a stretch, or is one stretch; ``windows`` is the length of each in windows
    and ``mix`` their common rows by phase of the season.
    """

    @property
    def spread(self) -> Spread:
        """How much its statistics vary from stretch to stretch."""
        ...

    def judges(self, mix: np.ndarray | None = None) -> bool:
        """Whether changes within a mix of phases show."""
        ...

    def design_effect(self, windows: Lengths = 1) -> np.ndarray:
        """How many dependent rows weigh as one independent row."""
        ...

    def p_value(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Chance of differences this large without drift."""
        ...

    def effect(
        self, bins: np.ndarray, *, windows: Lengths = 1, mix: np.ndarray | None = None
    ) -> np.ndarray:
        """Size of the differences, in standard deviations of an equivalent shift."""
        ...


def equivalent_shift(
    window: np.ndarray, reference: np.ndarray, *, design_effect: float | np.ndarray = 1.0
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
