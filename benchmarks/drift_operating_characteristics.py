"""How often the drift rule cries wolf, and how soon it sees a real change.

Twenty simulated columns (6 normal, 3 lognormal, 2 uniform, 2 bimodal, 2 integer, 1 zero-inflated,
4 categorical with 2, 5, 12 and 50 levels), independent of each other, each independent in time or a
first-order autoregression seen through its quantile function.

Run: python benchmarks/drift_operating_characteristics.py --windows 150 --streams 12
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

from ml_assets.core.drift import decide
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LEVELS = (2, 5, 12, 50)
BEFORE = 26  # quiet windows before a change: the longest length is full
AFTER = 24
Change = Callable[[pd.DataFrame, np.random.Generator], None]


def zipf_levels(count: int) -> np.ndarray:
    shares = 1 / np.arange(1, count + 1)
    return np.cumsum(shares / shares.sum())


def quantile_functions() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    def bimodal(u):
        low, high = (
            stats.norm.ppf(np.clip(2 * u, 1e-12, 1)),
            stats.norm.ppf(np.clip(2 * u - 1, 0, 1)),
        )
        return np.where(u < 0.5, np.minimum(low, 8) - 2, np.maximum(high, -8) + 2)

    def zero_inflated(u):
        return np.where(u < 0.6, 0.0, stats.expon.ppf(np.clip((u - 0.6) / 0.4, 0, 1 - 1e-12)))

    shapes = {f"normal_{i}": stats.norm.ppf for i in range(6)}
    shapes |= {f"lognormal_{i}": lambda u: np.exp(stats.norm.ppf(u)) for i in range(3)}
    shapes |= {f"uniform_{i}": lambda u: u for i in range(2)}
    shapes |= {f"bimodal_{i}": bimodal for i in range(2)}
    shapes |= {f"integer_{i}": lambda u: stats.poisson.ppf(u, 4.0) for i in range(2)}
    shapes["zero_inflated"] = zero_inflated
    for count in LEVELS:
        bounds = zipf_levels(count)
        shapes[f"levels_{count}"] = lambda u, b=bounds: np.searchsorted(b, u).clip(max=len(b) - 1)
    return shapes


def stream(rows: int, *, rho: float, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {}
    for name, shape in quantile_functions().items():
        noise = rng.normal(size=rows + 1000) * (1 - rho**2) ** 0.5
        latent = lfilter([1.0], [1.0, -rho], noise)[1000:]
        values = shape(np.clip(stats.norm.cdf(latent), 1e-12, 1 - 1e-12))
        is_category = name.startswith("levels")
        columns[name] = np.array([f"c{v}" for v in values], object) if is_category else values
    return pd.DataFrame(columns)


def shift(size: float) -> Change:
    def change(rows, _):
        rows["normal_0"] += size

    return change


def scale(rows: pd.DataFrame, _: np.random.Generator) -> None:
    rows["normal_0"] *= 1.25


def replace_share(column: str, value: object, share: float) -> Change:
    def change(rows, rng):
        rows.loc[rng.random(len(rows)) < share, column] = value

    return change


CHANGES: Mapping[str, tuple[str, Change]] = {
    "shift 0.1 sigma": ("normal_0", shift(0.1)),
    "shift 0.25 sigma": ("normal_0", shift(0.25)),
    "shift 0.5 sigma": ("normal_0", shift(0.5)),
    "spread x 1.25": ("normal_0", scale),
    "2 % outliers at 4 sigma": ("normal_0", replace_share("normal_0", 4.0, 0.02)),
    "5 % more in a 9 % category": ("levels_5", replace_share("levels_5", "c4", 0.05)),
    "5 % more in a 3 % category": ("levels_12", replace_share("levels_12", "c11", 0.05)),
    "1 % unseen category": ("levels_5", replace_share("levels_5", "new", 0.01)),
    "2 % missing": ("normal_0", replace_share("normal_0", np.nan, 0.02)),
}


@dataclass(frozen=True)
class Setting:
    rho: float
    rows: int
    chunks: int
    rule: Monitoring

    def verdicts(self, seed: int, windows: int, change: Change | None = None):
        frame = stream((self.chunks + windows) * self.rows, rho=self.rho, seed=seed)
        split = self.chunks * self.rows
        training, production = frame.iloc[:split], frame.iloc[split:].reset_index(drop=True)
        if change is not None:
            rows = production.iloc[BEFORE * self.rows :].copy()
            change(rows, np.random.default_rng(seed + 1))
            production = pd.concat([production.iloc[: BEFORE * self.rows], rows])
        kinds = {name: "string" if "levels" in name else "float" for name in frame}
        reference = Reference.fit(
            training, kinds, roles={}, window=HOUR, window_rows=self.rows, windows=self.chunks
        )
        counts = [
            WindowCounts.of(
                production.iloc[i * self.rows : (i + 1) * self.rows],
                reference.bins,
                start=START + i * HOUR,
            )
            for i in range(windows)
        ]
        first = 0 if change is None else BEFORE
        for i in range(first, windows):
            began = time.perf_counter()
            verdict = decide(reference, counts[max(0, i - 25) : i + 1], self.rule)
            yield verdict, time.perf_counter() - began


def poisson_bounds(count: int) -> tuple[float, float]:
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low, stats.chi2.ppf(0.975, 2 * count + 2) / 2


def false_alarms(setting: Setting, *, windows: int, streams: int) -> None:
    alarms, episodes, spent = 0, 0, []
    for seed in range(streams):
        before = False
        for verdict, seconds in setting.verdicts(1000 + seed, windows):
            drift = verdict.state == "drift"
            alarms += drift
            episodes += drift and not before
            before = drift
            spent.append(seconds)
    # Alarming windows come in runs, so the interval counts runs and multiplies by their length.
    per_thousand = 1000 / (windows * streams) * (alarms / episodes if episodes else 1)
    low, high = (bound * per_thousand for bound in poisson_bounds(episodes))
    print(
        f"| no change | {alarms / (windows * streams) * 1000:.1f} alarming windows per 1000 "
        f"(95 %: {low:.1f} to {high:.1f}; {episodes} runs in {windows * streams} windows) |"
        f" one decision takes {np.median(spent) * 1000:.1f} ms in the median |"
    )


def detection(setting: Setting, name: str, *, streams: int) -> None:
    column, change = CHANGES[name]
    delays = []
    for seed in range(streams):
        delay = np.inf
        for index, (verdict, _) in enumerate(setting.verdicts(5000 + seed, BEFORE + AFTER, change)):
            if any(finding.column == column for finding in verdict.drifted):
                delay = index + 1
                break
        delays.append(delay)
    soon = int(np.sum(np.array(delays) <= 2))
    low, high = stats.binomtest(soon, streams).proportion_ci(method="exact")
    missed = np.mean(np.isinf(delays))
    # An even sample's median lies between two delays; inf - inf would be no number.
    median = np.quantile(delays, 0.5, method="inverted_cdf")
    print(
        f"| {name} | median delay {median:.0f} windows, missed {missed:.0%} in {AFTER} |"
        f" within 2 windows {soon / streams:.0%} (95 %: {low:.0%} to {high:.0%}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=150, help="windows of a stream")
    parser.add_argument("--streams", type=int, default=12, help="streams without a change")
    parser.add_argument(
        "--changed", type=int, default=12, help="streams of each change; 0 for none"
    )
    parser.add_argument("--rows", type=int, default=500, help="rows of a window")
    parser.add_argument("--chunks", type=int, default=40, help="windows in the reference")
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0, 0.8], help="memory in time")
    options = parser.parse_args()
    for rho in options.rho:
        setting = Setting(rho, options.rows, options.chunks, Monitoring())
        print(
            f"\n## autocorrelation {rho:g}, {options.rows} rows a window, {options.chunks} chunks"
        )
        false_alarms(setting, windows=options.windows, streams=options.streams)
        for name in CHANGES if options.changed else ():
            detection(setting, name, streams=options.changed)


if __name__ == "__main__":
    main()
