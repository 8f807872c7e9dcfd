"""Coverage of intervals under drift: static split conformal beside adaptive intervals.

Run: python -m benchmarks.interval_coverage
"""

from collections.abc import Callable

import numpy as np

from ml_assets.core.conformal import calibrate_numbers
from ml_assets.core.online_quantile import followed

COVERAGE, SEEDS, ROWS, LATE = 0.9, 30, 6000, 100
CHANGE = 1000
Drift = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _late(values: np.ndarray) -> np.ndarray:
    return (values >= CHANGE).astype(float)


WORLDS: dict[str, tuple[float, Drift]] = {
    "no drift": (0.0, lambda t: (0 * t, 1 + 0 * t)),
    "no drift, residuals AR(0.8)": (0.8, lambda t: (0 * t, 1 + 0 * t)),
    "sudden shift, 1 sigma": (0.0, lambda t: (_late(t), 1 + 0 * t)),
    "sudden shift, 3 sigma": (0.0, lambda t: (3 * _late(t), 1 + 0 * t)),
    "spread x 2": (0.0, lambda t: (0 * t, 1 + _late(t))),
    "gradual shift to 3 sigma": (0.0, lambda t: (3 * t / ROWS, 1 + 0 * t)),
    "recurring, 2 sigma every 1000": (0.0, lambda t: (2.0 * ((t // 1000) % 2), 1 + 0 * t)),
}


def draw(seed: int, rows: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions, and errors of unit spread that hang together in time."""
    rng = np.random.default_rng(seed)
    predictions, noise = rng.uniform(1, 10, rows), rng.normal(size=rows)
    for n in range(1, rows):
        noise[n] = rho * noise[n - 1] + np.sqrt(1 - rho**2) * noise[n]
    return predictions, noise


def coverage(seed: int, rho: float, drift: Drift) -> tuple[float, float, float, float]:
    """Return coverage and mean width of static and of adaptive intervals after the change."""
    x, noise = draw(seed, 3000, rho)
    size = 0.2 * x
    intervals = calibrate_numbers(x + size * noise, x, coverage=COVERAGE)
    if intervals is None:
        message = "3000 rows give an interval."
        raise AssertionError(message)
    x, noise = draw(seed + 10_000, ROWS, rho)
    size = 0.2 * x
    shift, spread = drift(np.arange(ROWS, dtype=float))
    truth = x + size * (shift + spread * noise)
    lows, highs = followed(intervals, intervals.scores(truth, x))
    known = np.maximum(np.arange(ROWS) - LATE, 0)
    found: list[float] = []
    for low, high in (intervals.bounds(x), intervals.bounds(x, (lows[known], highs[known]))):
        inside, width = (truth >= low) & (truth <= high), high - low
        found += [float(inside[CHANGE:].mean()), float(width[CHANGE:].mean())]
    return found[0], found[1], found[2], found[3]


def main() -> None:
    """Print one line a world: means over seeds with 95 % intervals."""
    print(f"{SEEDS} seeds, {ROWS} rows, labels {LATE} rows late, declared {COVERAGE:.0%}")
    print("| world | static | width | adaptive | width |")
    print("|---|---|---|---|---|")
    for name, (rho, drift) in WORLDS.items():
        figures = np.array([coverage(seed, rho, drift) for seed in range(SEEDS)])
        mean, error = figures.mean(axis=0), 1.96 * figures.std(axis=0, ddof=1) / np.sqrt(SEEDS)
        print(
            f"| {name} | {mean[0]:.3f} ± {error[0]:.3f} | {mean[1]:.2f} "
            f"| {mean[2]:.3f} ± {error[2]:.3f} | {mean[3]:.2f} |"
        )


if __name__ == "__main__":
    main()
