"""Figures with their intervals, and tables of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, chi2

CONFIDENCE = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Share:
    """A share of independent cases with its exact interval (Clopper and Pearson 1934)."""

    hits: int
    cases: int

    def __str__(self) -> str:
        if not self.cases:
            return "no case"
        low, high = binomtest(self.hits, self.cases).proportion_ci(CONFIDENCE, method="exact")
        share = self.hits / self.cases
        return f"{share:.1%} ({self.hits}/{self.cases}; 95 %: {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Rate:
    """Events per month with the exact interval of a Poisson count (Garwood 1936)."""

    events: int
    months: float

    def __str__(self) -> str:
        tail = (1 - CONFIDENCE) / 2
        low = chi2.ppf(tail, 2 * self.events) / 2 if self.events else 0.0
        high = chi2.ppf(1 - tail, 2 * self.events + 2) / 2
        per_month = [count / self.months for count in (self.events, low, high)]
        return (
            f"{per_month[0]:.2f} a month ({self.events} in {self.months:.1f}; "
            f"95 %: {per_month[1]:.2f} to {per_month[2]:.2f})"
        )


def over_seeds(by_seed: Sequence[Sequence[float]], *, form: str = ".2f", seed: int = 0) -> str:
    """Return the mean with a bootstrap interval that draws whole seeds, each with all its cases."""
    kept = [np.asarray(values, float) for values in by_seed if len(values)]
    if not kept:
        return "no case"
    sums = np.array([[values.sum(), len(values)] for values in kept])
    drawn = np.random.default_rng(seed).integers(0, len(kept), (DRAWS, len(kept)))
    totals = sums[drawn].sum(axis=1)
    low, high = np.quantile(totals[:, 0] / totals[:, 1], [0.025, 0.975])
    mean = sums[:, 0].sum() / sums[:, 1].sum()
    return f"{mean:{form}} (95 %: {low:{form}} to {high:{form}})"


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n## {title}\n")
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)
