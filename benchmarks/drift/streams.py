"""Twenty simulated columns with and without a change; needs numpy, pandas and scipy alone.

6 normal, 3 lognormal, 2 uniform, 2 bimodal, 2 integer, 1 zero-inflated, 4 categorical with 2, 5, 12
and 50 levels, independent of each other, each independent in time or a first-order autoregression
seen through its quantile function. The peers read the same file, so all judge the same rows.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

LEVELS = (2, 5, 12, 50)
BEFORE = 26  # quiet windows before a change: the longest length is full
Change = Callable[[pd.DataFrame, np.random.Generator], None]


def zipf_levels(count: int) -> np.ndarray:
    shares = 1 / np.arange(1, count + 1)
    return np.cumsum(shares / shares.sum())


def bimodal(u):
    low = stats.norm.ppf(np.clip(2 * u, 1e-12, 1))
    high = stats.norm.ppf(np.clip(2 * u - 1, 0, 1))
    return np.where(u < 0.5, np.minimum(low, 8) - 2, np.maximum(high, -8) + 2)


def zero_inflated(u):
    return np.where(u < 0.6, 0.0, stats.expon.ppf(np.clip((u - 0.6) / 0.4, 0, 1 - 1e-12)))


def levels(count: int):
    bounds, names = zipf_levels(count), np.array([f"c{i}" for i in range(count)], object)
    return lambda u: names[np.searchsorted(bounds, u).clip(max=count - 1)]


def quantile_functions() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    shapes = {f"normal_{i}": stats.norm.ppf for i in range(6)}
    shapes |= {f"lognormal_{i}": lambda u: np.exp(stats.norm.ppf(u)) for i in range(3)}
    shapes |= {f"uniform_{i}": lambda u: u for i in range(2)}
    shapes |= {f"bimodal_{i}": bimodal for i in range(2)}
    shapes |= {f"integer_{i}": lambda u: stats.poisson.ppf(u, 4.0) for i in range(2)}
    shapes["zero_inflated"] = zero_inflated
    return shapes | {f"levels_{count}": levels(count) for count in LEVELS}


def stream(rows: int, *, rho: float, seed: int, nudge: float = 0.0, since: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {}
    for name, shape in quantile_functions().items():
        noise = rng.normal(size=rows + 1000) * (1 - rho**2) ** 0.5
        latent = lfilter([1.0], [1.0, -rho], noise)[1000:]
        if "levels" not in name:
            latent[since:] += nudge
        columns[name] = shape(np.clip(stats.norm.cdf(latent), 1e-12, 1 - 1e-12))
    return pd.DataFrame(columns)


def shift(size: float) -> Change:
    def change(rows, _):
        rows["normal_0"] += size * rows["normal_0"].std()

    return change


def scale(rows: pd.DataFrame, _: np.random.Generator) -> None:
    rows["normal_0"] *= 1.25


def replace_share(column: str, value: object, share: float) -> Change:
    def change(rows, rng):
        rows.loc[rng.random(len(rows)) < share, column] = value

    return change


CHANGES: Mapping[str, tuple[str, Change]] = {
    "shift 0.25 sigma": ("normal_0", shift(0.25)),
    "spread x 1.25": ("normal_0", scale),
    "5 % more in a 9 % category": ("levels_5", replace_share("levels_5", "c4", 0.05)),
    "5 % more in a 3 % category": ("levels_12", replace_share("levels_12", "c11", 0.05)),
    "1 % unseen category": ("levels_5", replace_share("levels_5", "new", 0.01)),
    "shift 0.1 sigma": ("normal_0", shift(0.1)),
    "2 % outliers at 4 sigma": ("normal_0", replace_share("normal_0", 4.0, 0.02)),
    "2 % missing": ("normal_0", replace_share("normal_0", np.nan, 0.02)),
}


def split_stream(
    *,
    rho: float,
    seed: int,
    rows: int,
    chunks: int,
    windows: int,
    change: Change | None = None,
    before: int = BEFORE,
    nudge: float = 0.0,
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Return the training rows and the windows of production, changed after ``before`` of them.

    A ``nudge`` moves every number by so many standard deviations of what lies behind it: counts
    stay counts, and exact zeros zeros.
    """
    since = (chunks + before) * rows
    frame = stream((chunks + windows) * rows, rho=rho, seed=seed, nudge=nudge, since=since)
    production = frame.iloc[chunks * rows :].reset_index(drop=True)
    if change is not None:
        changed = production.iloc[before * rows :].copy()
        change(changed, np.random.default_rng(seed + 1))
        production = pd.concat([production.iloc[: before * rows], changed])
    parts = [production.iloc[i * rows : (i + 1) * rows] for i in range(windows)]
    return frame.iloc[: chunks * rows], parts
