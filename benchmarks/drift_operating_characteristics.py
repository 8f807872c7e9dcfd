"""How often the drift rule cries wolf, and how soon it sees a real change, beside other tools.

The budget is the default: one false alarm a month of hourly windows, for all twenty columns.
The streams are those of benchmarks/drift/streams.py. The seeds were used for nothing else.

Run: python -m benchmarks.drift_operating_characteristics
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.drift.streams import BEFORE, CHANGES, Change, split_stream
from ml_assets.core.drift import DriftVerdict, decide_each
from ml_assets.core.episodes import VerdictRow, episodes_of
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
AFTER = 24
TRIFLE = 0.02  # standard deviations
PEERS = Path(__file__).parent / "drift" / "peers"
NAMED = ["shift 0.25 sigma", "spread x 1.25", "5 % more in a 9 % category", "1 % unseen category"]


@dataclass(frozen=True)
class Setting:
    rho: float
    rows: int
    chunks: int
    rule: Monitoring

    def verdicts(
        self,
        seed: int,
        windows: int,
        change: Change | None = None,
        *,
        before: int = BEFORE,
        nudge: float = 0.0,
    ) -> list[DriftVerdict]:
        training, parts = split_stream(
            rho=self.rho,
            seed=seed,
            rows=self.rows,
            chunks=self.chunks,
            windows=windows,
            change=change,
            before=before,
            nudge=nudge,
        )
        reference = Reference.fit(
            training,
            {name: "string" if "levels" in name else "float" for name in training},
            roles={},
            window=HOUR,
            window_rows=self.rows,
            windows=self.chunks,
            scales=self.rule.scales,
        )
        counts = [
            WindowCounts.of(part, reference.bins, start=START + index * HOUR)
            for index, part in enumerate(parts)
        ]
        since = START + (before if change or nudge else 0) * HOUR
        return decide_each(reference, counts, self.rule, since=since)


def poisson_bounds(count: int) -> tuple[float, float]:
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return low, stats.chi2.ppf(0.975, 2 * count + 2) / 2


def false_alarms(setting: Setting, *, seed: int, windows: int, streams: int) -> None:
    alarms, runs, episodes, retrain, by_stream = 0, 0, 0, 0, []
    for each in range(seed, seed + streams):
        verdicts = setting.verdicts(each, windows)
        drift = np.array([verdict.state == "drift" for verdict in verdicts])
        alarms += int(drift.sum())
        runs += int((np.diff(drift.astype(int), prepend=0) == 1).sum())
        found = episodes_of(
            [VerdictRow.of(verdict) for verdict in verdicts], problem="bench", version="v1"
        )
        episodes += len(found)
        retrain += sum(episode.severity != "warn" for episode in found)
        by_stream.append(int(drift.sum()))
    total = windows * streams
    # Alarming windows come in runs, so the interval counts runs and multiplies by their length.
    per_thousand = 1000 / total * (alarms / runs if runs else 1)
    low, high = (bound * per_thousand for bound in poisson_bounds(runs))
    month = 730.5 / total
    low_month, high_month = (bound * month for bound in poisson_bounds(episodes))
    print(
        f"| ml_assets | {alarms / total * 1000:.1f} alarming windows in 1,000 without a change "
        f"(95 %: {low:.1f} to {high:.1f}; {runs} runs in {total} windows of {streams} streams, "
        f"at most {max(by_stream)} in one) | {episodes * month:.1f} episodes a month "
        f"({low_month:.1f} to {high_month:.1f}), {retrain} of {episodes} ask for more |",
        flush=True,
    )


def detection(setting: Setting, name: str, *, seed: int, streams: int) -> None:
    column, change = CHANGES[name]
    delays = []
    for each in range(seed, seed + streams):
        verdicts = setting.verdicts(each, BEFORE + AFTER, change)
        named = [any(finding.column == column for finding in v.drifted) for v in verdicts]
        delays.append(named.index(True) + 1 if any(named) else np.inf)
    soon = int(np.sum(np.array(delays) <= 2))
    low, high = stats.binomtest(soon, streams).proportion_ci(method="exact")
    # An even sample's median lies between two delays; inf - inf would be no number.
    median = np.quantile(delays, 0.5, method="inverted_cdf")
    print(
        f"| {name} | median delay {median:.0f} windows, missed {np.mean(np.isinf(delays)):.0%} in "
        f"{AFTER} | within 2 windows {soon} of {streams} (95 %: {low:.0%} to {high:.0%}) |",
        flush=True,
    )


def trifle(setting: Setting, *, seed: int) -> None:
    verdicts = setting.verdicts(seed, 8, before=2, nudge=TRIFLE)
    alarms = sum(verdict.state == "drift" for verdict in verdicts)
    significant = sum(any(f.is_significant for f in verdict.tested) for verdict in verdicts)
    print(
        f"| {TRIFLE} sigma in 16 columns, {setting.rows:,} rows | {alarms} alarms in "
        f"{len(verdicts)} windows, {significant} of them significant |",
        flush=True,
    )


def peers_python() -> Path:
    """Return the Python of the other tools' own environment, made when it is missing.

    It lies in the folder ``ML_ASSETS_DRIFT_PEERS``, by default in the user's cache.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("ML_ASSETS_DRIFT_PEERS") or cache / "ml_assets" / "drift_peers")
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        print(f"Making the environment of the other tools in {folder} ...", flush=True)
        venv.create(folder, with_pip=False)
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        command = [uv, "pip", "install", "--quiet", "--python", str(python)]
        for line in (PEERS / "requirements.txt").read_text().splitlines():
            if line and not line.startswith("#"):  # one that does not install is said to be absent
                subprocess.run([*command, line], check=False)
        done.touch()
    return python


def peers(setting: Setting, *, seed: int, streams: int, changes: list[str]) -> None:
    command = [str(peers_python()), str(PEERS / "detectors.py"), "--rho", str(setting.rho)]
    figures = {"rows": setting.rows, "chunks": setting.chunks, "seed": seed, "streams": streams}
    for name, value in figures.items():
        command += [f"--{name}", str(value)]
    told = subprocess.run(
        [*command, "--changes", *changes], stdout=subprocess.PIPE, text=True, check=False
    )
    for line in told.stdout.splitlines():
        if not line.startswith("{"):
            continue
        found = json.loads(line)
        if "absent" in found:
            print(f"| {found['detector']} | not installed: {found['absent']} |")
            continue
        alarms, windows = found["alarms"], found["windows"]
        low, high = stats.binomtest(alarms, windows).proportion_ci(method="exact")
        soon = "; ".join(f"{name}: {hit} of {of}" for name, (hit, of) in found["soon"].items())
        print(
            f"| {found['detector']} | {alarms} of {windows} windows alarm without a change "
            f"(95 %: {low * 1000:.0f} to {high * 1000:.0f} in 1,000) | within 2 windows: {soon} |",
            flush=True,
        )
    if told.returncode:
        print(f"The other tools' run ended with status {told.returncode}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=400, help="windows of a stream")
    parser.add_argument("--streams", type=int, default=12, help="streams without a change")
    parser.add_argument(
        "--changed", type=int, default=12, help="streams of each change; 0 for none"
    )
    parser.add_argument("--rows", type=int, default=500, help="rows of a window")
    parser.add_argument("--chunks", type=int, default=40, help="windows in the reference")
    parser.add_argument("--rho", type=float, nargs="+", default=[0.0, 0.8], help="memory in time")
    parser.add_argument("--seed", type=int, default=20_000, help="the first one")
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES))
    parser.add_argument("--peers", type=int, default=3, help="streams for the others; 0 for none")
    parser.add_argument("--large", type=int, default=100_000, help="rows for a trifle; 0 for none")
    options = parser.parse_args()
    for rho in options.rho:
        setting = Setting(rho, options.rows, options.chunks, Monitoring())
        print(
            f"\n## autocorrelation {rho:g}, {options.rows} rows a window, {options.chunks} chunks",
            flush=True,
        )
        if options.streams:
            false_alarms(
                setting, seed=options.seed, windows=options.windows, streams=options.streams
            )
        for name in options.changes if options.changed else ():
            detection(setting, name, seed=options.seed + 5000, streams=options.changed)
        if options.peers:
            named = [name for name in NAMED if name in options.changes] if rho == 0 else []
            peers(setting, seed=options.seed, streams=options.peers, changes=named)
    if options.large:
        trifle(Setting(0.0, options.large, 8, Monitoring()), seed=options.seed)


if __name__ == "__main__":
    main()
