"""Requests a second, latency and processor time of the predictor beside other servers.

Run ``python -m benchmarks.serving``. It needs wrk, which Debian and Ubuntu have as a package. All
servers run at the same time and are loaded in turns, so that what else the machine does meets all
of them; medians over the rounds are printed. Features, model and the durable prediction log are
part of every answer of ours. Each server's answers are compared with the pipeline's own.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.serving import servers
from benchmarks.serving.releases import MAX_ROWS, make_model, make_rows, plain_rows
from benchmarks.serving.servers import Server
from bentos.predictor.body import ARROW_TYPE

CONNECTIONS = (1, 16, 64)
MANY = f"{MAX_ROWS} rows"
TABLE = f"{MAX_ROWS} rows as Arrow"
JSON_TYPE = "application/json"
CHECKED_ROWS = 300
LUA = Path(__file__).with_name("load.lua")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of load in one round")
    parser.add_argument("--only", nargs="*", help="parts of the servers' names; ours always runs")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: it makes the load. On Debian or Ubuntu: apt-get install wrk")
    model = make_model(seed=1)
    rows = make_rows(CHECKED_ROWS, seed=11, gaps=0.0)
    asked, expected = plain_rows(rows), model.predict(rows)
    many = make_rows(MAX_ROWS, seed=12, gaps=0.0)
    with TemporaryDirectory(prefix="bench-serving-") as name, ExitStack() as stack:
        folder = Path(name)
        servers.save_model(model, folder)
        running = [stack.enter_context(servers.ours(model, folder))]
        running.append(stack.enter_context(servers.empty(folder)))
        python = servers.peers_python()
        others = (servers.mlserver, servers.fastapi, servers.litserve, servers.bentoml_typed)
        running += [
            stack.enter_context(start(python, folder))
            for start in others
            if not arguments.only or any(part in start.__name__ for part in arguments.only)
        ]
        for server in running:
            if server.many is not None:
                check(server, asked, expected)
                check_many(server, plain_rows(many), model.predict(many))
        seen: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(arguments.rounds):
            for server in running:
                for case, connections, content in cases(server, asked, plain_rows(many)):
                    found = load(server, content, folder, connections, arguments.seconds)
                    seen.setdefault((case, server.name), []).append(found)
        report(seen, running)


def cases(server: Server, asked: Sequence[Any], many: Sequence[Any]) -> list[tuple[str, int, list]]:
    one = [server.one(row) for row in asked]
    found = [(f"{count} connections", count, one) for count in CONNECTIONS]
    if server.many is not None:
        found.append((MANY, 1, [server.many(many)]))
    if server.table is not None:
        found.append((TABLE, 1, [server.table(many)]))
    return found


def check(server: Server, asked: Sequence[Any], expected: np.ndarray) -> None:
    """Ask rows from 16 callers at once, and compare every answer to the bit."""
    with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as client:

        def ask(row: Any) -> float:
            path, body = server.one(row)
            answer = client.post(path, json=body).raise_for_status()
            (value,) = server.predictions(answer.json())
            return value

        with ThreadPoolExecutor(16) as callers:
            found = np.array(list(callers.map(ask, asked)))
    _compare(server, found, expected)


def check_many(server: Server, many: Sequence[Any], expected: np.ndarray) -> None:
    """Ask many rows at once, and compare every answer to the bit."""
    asked = [server.many(many)] if server.table is None else [server.many(many), server.table(many)]
    for path, body in asked:
        content, kind = _body(body)
        answer = httpx.post(
            server.url + path,
            content=content,
            headers={"content-type": kind},
            timeout=60.0,
            trust_env=False,
        )
        found = np.array(server.predictions(answer.raise_for_status().json()))
        _compare(server, found, expected)


def _body(body: Any) -> tuple[bytes, str]:
    """Return the bytes of a body, and their content-type."""
    if isinstance(body, bytes):
        return body, ARROW_TYPE
    return json.dumps(body).encode(), JSON_TYPE


def _compare(server: Server, found: np.ndarray, expected: np.ndarray) -> None:
    if not np.array_equal(found, expected):
        differ = int((found != expected).sum())
        sys.exit(f"{server.name} answers {differ} of {len(expected)} rows otherwise.")


def load(
    server: Server, content: list[tuple[str, Any]], folder: Path, connections: int, seconds: int
) -> dict[str, float]:
    """Return what wrk saw, and the server's processor time for one request."""
    bodies = folder / "bodies"
    encoded = [_body(body) for _, body in content]
    bodies.write_bytes(b"\n".join(body for body, _ in encoded))
    told = {"BODIES": str(bodies), "CONTENT_TYPE": encoded[0][1]}
    if len(content) == 1:
        told["WHOLE"] = "1"
    path = content[0][0]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    before = server.cpu_seconds()
    said = subprocess.run(
        [*command, "-s", str(LUA), server.url + path],
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    cpu = server.cpu_seconds() - before
    found = json.loads(said.splitlines()[-1])
    if found["failed"]:
        sys.exit(f"{server.name} failed {found['failed']} of {found['requests']} requests.")
    rate = found["requests"] / found["seconds"]
    return {**found, "rate": rate, "cpu_us": cpu / max(found["requests"], 1) * 1e6}


def report(seen: dict[tuple[str, str], list[dict[str, float]]], running: list[Server]) -> None:
    rates = {}
    print(f"{'':18s} {'server':20s} {'a second':>9s} {'p50 ms':>8s} {'p99 ms':>8s} {'CPU us':>8s}")
    for (case, name), rounds in sorted(seen.items(), key=lambda item: _order(item[0][0])):
        one = {key: median(found[key] for found in rounds) for key in rounds[0]}
        rates[case, name] = one["rate"]
        print(
            f"{case:18s} {name:20s} {one['rate']:9.1f} {one['p50_ms']:8.2f} "
            f"{one['p99_ms']:8.2f} {one['cpu_us']:8.0f}"
        )
    print("\nTimes the requests of the others (or rows, in one large request):")
    for server in running[1:]:
        ratios = [
            f"{case}: {rates[case, 'ml_assets'] / theirs:.2f}"
            for case in dict.fromkeys(case for case, _ in seen)
            # The others take no table: they are sent the same rows as they take them.
            if (theirs := rates.get((MANY if case == TABLE else case, server.name)))
        ]
        print(f"{server.name:20s} {'   '.join(ratios)}")
    print("All answers were equal to the pipeline's own, to the bit.")


def _order(case: str) -> int:
    return MAX_ROWS + 1 if case == TABLE else int(case.split(maxsplit=1)[0])


if __name__ == "__main__":
    main()
