"""Ten minutes of everything at once, then every answer and every line of the log is judged.

Ten callers (one row, many rows, Arrow, Parquet, repeated and wrong requests, feedback, bursts,
abandoned connections) ask a served Bento over loopback while versions are promoted, rolled back
and tried as canary, A/B test and shadow every few seconds, and while the server is ended by
SIGKILL and SIGTERM. Each answer must be what the batch and scikit-learn say of the version that it
names, to the bit; each acknowledged row must stand in the log exactly once.

Run: python -m benchmarks.mixed_load --seconds 600 --seed 1
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ml_assets_tests.serving.mixed_load.load import play
from ml_assets_tests.serving.mixed_load.scene import open_scene


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps everything; by default nothing is kept")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="mixed-load-") as name:
        folder = arguments.folder or Path(name)
        with open_scene(folder) as scene:
            played = play(scene, seconds=arguments.seconds, seed=arguments.seed)
    print(played.report())
    if played.judgement.faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
