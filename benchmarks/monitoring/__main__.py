"""The plant's monitoring against its known truth, in physical units, over many seeds.

    python -m benchmarks.monitoring --seeds 30 --jobs 2

A seed is a plant: its history, one life without change, and one with each scenario. Every figure
has its interval: exact for shares of lives and for counts, a bootstrap that draws whole seeds else.
Beside the system stand a rule that always fires and one that never does.
"""

import argparse
import time
from dataclasses import dataclass

from joblib import Parallel, delayed

from benchmarks.monitoring import tables
from benchmarks.monitoring.adaptation import Adapted, adapted
from benchmarks.monitoring.auditing import Audit, audits
from benchmarks.monitoring.detection import Found, false_episodes, found
from benchmarks.monitoring.lives import CHANGES, Life
from benchmarks.monitoring.naming import Named, named

QUIET = "quiet"


@dataclass(frozen=True)
class Lived:
    """What came of one seed, by scenario."""

    seed: int
    false_episodes: int
    windows: int
    found: dict[str, Found]
    named: dict[str, list[Named]]
    audits: dict[str, list[Audit]]
    adapted: dict[str, dict[str, Adapted]]


def lived(seed: int, *, adapts: bool) -> Lived:
    """Let the plant of one seed live all its lives."""
    began = time.perf_counter()
    quiet = Life.of(QUIET, seed)
    version = quiet.first_champion()
    episodes, windows = false_episodes(quiet, version)
    seen = Lived(seed, episodes, windows, {}, {}, {QUIET: audits(quiet, version)}, {})
    for scenario in CHANGES:
        life = Life.of(scenario, seed)
        seen.found[scenario] = found(life, version)
        seen.named[scenario] = named(life, version, seen.found[scenario])
        seen.audits[scenario] = audits(life, version)
        if adapts:
            seen.adapted[scenario] = adapted(life, version)
    print(f"seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-adaptation", action="store_true", help="leave the policies out")
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    began = time.perf_counter()
    found_ = Parallel(n_jobs=asked.jobs)(
        delayed(lived)(seed, adapts=not asked.no_adaptation) for seed in seeds
    )
    tables.show(found_)
    print(f"{asked.seeds} seeds in {(time.perf_counter() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
