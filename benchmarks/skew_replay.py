"""How long it takes to replay a day of served requests through the batch, and to recall it.

A release of the serving tests (lags and means over six hours, boosted trees) answers requests of
fifty rows of many entities, in the order of arrival; a share of the rows comes late. Then the log
is read back: once by a process that starts, once by the replay that proves it equal to the batch.

Run: python -m benchmarks.skew_replay --rows 100000
"""

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from bentos.predictor.passes import Loaded, Passes, Request
from bentos.predictor.warm_start import WarmStart
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import CONTRACT_FILE, digest_of
from ml_assets.core.window import Window
from ml_assets.storage.served_skew import replay_log
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import HOURS, START, make_release, seal

END = START + timedelta(hours=HOURS)
DAY = timedelta(days=1)
REQUEST = 50


def requests(count, entities, late, seed):
    """Yield requests of a day in its order, but that some rows come minutes late."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.uniform(0, DAY.total_seconds(), count))
    delays = np.where(rng.random(count) < late, rng.uniform(60, 3600, count), 0.0)
    rows = []
    for place in np.argsort(seconds + delays, kind="stable"):
        row = {
            "pump": f"pump {rng.integers(entities)}",
            "load": float(rng.uniform(0, 100)),
            "pm2.5": float(rng.normal(10, 3)),
            "starts": int(rng.integers(9)),
            "mode": "eco",
            "event_time": (END + timedelta(seconds=float(seconds[place]))).isoformat(),
        }
        rows.append(row)
        if len(rows) == REQUEST:
            yield Request(json.dumps({"rows": rows}).encode())
            rows = []


def any_pump(files):
    """Return the release with a contract that lists no pump, so that there may be many."""
    contract = json.loads(files[CONTRACT_FILE])
    contract[0]["allowed"] = None
    return seal({**files, CONTRACT_FILE: json.dumps(contract).encode()})


def serve(workspace, files, asked):
    loaded = Loaded(Predictor(files), 1, digest_of(files), datetime.now(UTC))
    passes = Passes(workspace.spool, "pumps")
    began = time.monotonic()
    for request in asked:
        passes.answer(loaded, [request])
    passes.close()
    loaded.predictor.close()
    return time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--entities", type=int, default=200)
    parser.add_argument("--late", type=float, nargs="+", default=[0.0, 0.01])
    arguments = parser.parse_args()
    files = any_pump(make_release())
    for late in arguments.late:
        with tempfile.TemporaryDirectory() as folder:
            workspace = Workspace(Path(folder))
            stored = {name: content for name, content in files.items() if name != "manifest.json"}
            details = {"release": workspace.artefacts.put_folder(stored)}
            now = datetime.now(UTC)
            workspace.ledger.record(
                "pumps", "trained", "v1", reason="benchmark", at=now, details=details
            )
            asked = list(requests(arguments.rows, arguments.entities, late, seed=1))
            served = serve(workspace, files, asked)
            predictor = Predictor(files)
            began = time.monotonic()
            recalled = WarmStart(workspace.spool, predictor, revision=1).recall()
            warm = time.monotonic() - began
            predictor.close()
            began = time.monotonic()
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                report = replay_log(connection, workspace, "pumps", Window(END, END + DAY))
            replayed = time.monotonic() - began
        print(
            f"{late:.0%} late: served {arguments.rows} rows in {served:.1f} s; recalled {recalled} "
            f"in {warm:.1f} s; replayed {report.compared} rows in {replayed:.1f} s "
            f"({report.compared / replayed:,.0f} rows/s), {report.different_rows} differ, "
            f"{report.asked_again} asked again, not compared {dict(report.not_compared)}"
        )


if __name__ == "__main__":
    main()
