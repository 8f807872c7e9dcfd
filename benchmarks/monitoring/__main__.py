"""The plant's monitoring against its known truth, in physical units, over many seeds.

    python -m benchmarks.monitoring --seeds 30 --jobs 2

A seed is a plant: its history, one life without change, and one with each scenario. Every figure
has its interval: exact for shares of lives and for counts, a bootstrap that draws whole seeds else.
Beside the system stand a rule that always fires and one that never does.
"""

import argparse
import time
from pathlib import Path

from joblib import Parallel, delayed

from benchmarks.monitoring import tables
from benchmarks.monitoring.seeds import kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-adaptation", action="store_true", help="leave the policies out")
    parser.add_argument(
        "--keep", type=Path, help="folder of seeds; those in it are not lived again"
    )
    asked = parser.parse_args()
    seeds = range(asked.first, asked.first + asked.seeds)
    began = time.perf_counter()
    found_ = Parallel(n_jobs=asked.jobs)(
        delayed(kept)(seed, asked.keep, adapts=not asked.no_adaptation) for seed in seeds
    )
    tables.show(found_)
    print(f"{asked.seeds} seeds in {(time.perf_counter() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
