"""How long a decision over stored profiles takes, with few and with ten thousand in the store.

Twenty columns, 500 rows an hour. The decision lists the profiles of its version, takes their counts
and judges the newest window at every length. The profiles of the hours that it looks at are real;
older ones are copies of one of them, since they are listed and never read.

Run: python -m benchmarks.drift_decisions
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.drift.streams import split_stream
from ml_assets.core.drift import DriftVerdict, decide, decide_each
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference
from ml_assets.storage.drift_reports import looked_at
from ml_assets.storage.profiles import ProfileStore, profile_frame

HOUR = timedelta(hours=1)
NEWEST = datetime(2025, 3, 1, 11, tzinfo=UTC)
RULE = Monitoring()


def milliseconds(action: Callable[[], object], repetitions: int) -> str:
    elapsed, worked = [], []
    for _ in range(repetitions):
        began, working = time.perf_counter(), time.process_time()
        action()
        elapsed.append((time.perf_counter() - began) * 1000)
        worked.append((time.process_time() - working) * 1000)
    low, middle, high = np.quantile(elapsed, [0.1, 0.5, 0.9])
    return (
        f"{middle:.1f} ms (10 to 90 %: {low:.1f} to {high:.1f}), "
        f"of the processor {np.median(worked):.1f} ms, {repetitions} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profiles", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=30)
    options = parser.parse_args()
    training, parts = split_stream(rho=0.5, seed=7, rows=500, chunks=40, windows=30)
    kinds = {name: "string" if "levels" in name else "float" for name in training}
    fit = {"roles": {}, "window": HOUR, "window_rows": 500, "windows": 40, "scales": RULE.scales}
    reference = Reference.fit(training, kinds, **fit)
    text = json.dumps(reference.to_json())
    with tempfile.TemporaryDirectory() as folder:
        store = ProfileStore(Path(folder))
        for age, part in enumerate(parts):
            hour = NEWEST - age * HOUR
            content = profile_frame(part.reset_index(drop=True), kinds, metadata={}, timestamp=hour)
            newest = store.put(content, problem="bench", version="v1")

        def decided(known: Reference = reference) -> DriftVerdict:
            seen = looked_at(store, "bench", "v1", reference=known, monitoring=RULE, since=NEWEST)
            windows = store.read_windows(seen, known)
            return decide(known, windows, RULE)

        print(f"first decision, {len(parts)} profiles to count: {milliseconds(decided, 1)}")
        times = options.repetitions
        print(f"decision, {len(parts)} profiles in store: {milliseconds(decided, times)}")
        for age in range(len(parts), options.profiles):
            hour = NEWEST - age * HOUR
            day = newest.path.parents[1] / f"{hour:%Y-%m-%d}"
            day.mkdir(exist_ok=True)
            os.link(newest.path, day / f"{hour:%H}.0.whylogs")
        print(f"decision, {options.profiles:,} in store: {milliseconds(decided, times)}")

        def restarted() -> DriftVerdict:
            return decided(Reference.from_json(json.loads(text)))

        print(f"the same, and the reference read again: {milliseconds(restarted, times)}")
        windows = store.read_windows(store.hours("bench", NEWEST - 25 * HOUR), reference)
        alone = milliseconds(lambda: decide(reference, windows, RULE), times)
        print(f"the rule alone: {alone}")
        year = [windows[place % len(windows)] for place in range(8760)]
        year = [
            type(window)(NEWEST + place * HOUR, window.rows, window.columns)
            for place, window in enumerate(year)
        ]
        replay = milliseconds(lambda: decide_each(reference, year, RULE, since=NEWEST), 1)
        print(f"8,760 windows at once, as a replay does: {replay}")


if __name__ == "__main__":
    main()
