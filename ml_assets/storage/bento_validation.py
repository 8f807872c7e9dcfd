"""Whether a Bento may serve: it is started, asked what is known, insulted, measured and ended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import httpx

from ml_assets.core.contract import Contract
from ml_assets.core.errors import ServingError
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import CONTRACT_FILE, GOLDEN_FILE, RELEASE_FILE, Release
from ml_assets.storage.malformed import malformed_requests
from ml_assets.storage.served_bento import ServedBento

TIMED_REQUESTS = 30
WARM_UP_REQUESTS = 3


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        check: What was tried.
        expected: What must be seen.
        observed: What was seen.
        passed: Whether that is so.
    """

    check: str
    expected: str
    observed: str
    passed: bool


@dataclass(frozen=True)
class ValidationReport:
    """What was found of a Bento.

    Attributes:
        tag: Tag of the Bento.
        rows: Everything that was tried, in order.
        start_seconds: From the start of the process until it was ready; None if it never was.
        latency_ms: Median time to answer one row; None if it was not measured.
        memory_mb: Resident memory of all its processes.
        log: The end of what the process said, where something failed.
    """

    tag: str
    rows: tuple[Check, ...]
    start_seconds: float | None = None
    latency_ms: float | None = None
    memory_mb: float | None = None
    log: str = ""

    @property
    def passed(self) -> bool:
        """Whether the Bento may serve."""
        return all(row.passed for row in self.rows)


def validate_bento(
    tag: str, release_folder: Path, *, home: Path, ready_within: float = 120.0
) -> ValidationReport:
    """Start a Bento with the release it was packed with, and try it.

    Its predictions go to a spool that is thrown away. The process has ended when this returns.

    Args:
        tag: Tag of the Bento.
        release_folder: The release it was made of, which says what to expect.
        home: BentoML's home.
        ready_within: Seconds it may take to be ready.
    """
    release = Release.from_json(json.loads((release_folder / RELEASE_FILE).read_bytes()))
    golden = GoldenRows.from_json((release_folder / GOLDEN_FILE).read_bytes())
    contract = Contract.from_json(json.loads((release_folder / CONTRACT_FILE).read_bytes()))
    with TemporaryDirectory(prefix="validation-") as folder:
        log = Path(folder) / "server.log"
        served = ServedBento(tag, home, log, Path(folder) / "spool", ready_within=ready_within)
        try:
            served.start()
        except ServingError as error:
            failed = Check(
                "becomes ready", f"within {ready_within:.0f} s", str(error), passed=False
            )
            return ValidationReport(tag, (failed,), log=served.said() if log.exists() else "")
        try:
            return _tried(served, release, golden, contract)
        finally:
            served.stop()


def _tried(
    served: ServedBento, release: Release, golden: GoldenRows, contract: Contract
) -> ValidationReport:
    ready = served.ready_after or 0.0
    rows = [
        Check("becomes ready", f"within {served.ready_within:.0f} s", f"{ready:.1f} s", passed=True)
    ]
    latency = None
    try:
        with httpx.Client(base_url=served.url, timeout=30.0, trust_env=False) as client:
            rows += _golden_checks(client, golden, release)
            latency = _latency_ms(client, golden)
            rows.append(_latency_check(latency, release))
            row = dict(golden.rows[0])
            rows += [
                _refusal_check(client, request)
                for request in malformed_requests(row, release, contract)
            ]
            rows.append(_golden_check(client, golden, [0], "answers after all that"))
    except httpx.HTTPError as error:
        rows.append(Check("answers", "an HTTP answer", repr(error), passed=False))
    memory = served.memory_mb if served.running else None
    seconds = served.stop()
    rows.append(Check("stops", "within 10 s", f"{seconds:.1f} s", passed=seconds <= 10.0))
    log = "" if all(row.passed for row in rows) else served.said()
    return ValidationReport(served.tag, tuple(rows), ready, latency, memory, log)


def _golden_checks(client: httpx.Client, golden: GoldenRows, release: Release) -> Iterator[Check]:
    everything = range(len(golden.rows))
    for start in everything[:: release.max_rows]:
        together = list(everything[start : start + release.max_rows])
        yield _golden_check(client, golden, together, "answers golden rows as the batch did")
    found = (_difference(client, golden, [n]) for n in everything)
    differing = [text for text in found if text is not None]
    observed = differing[0] if differing else f"{len(golden.rows)} equal answers"
    yield Check(
        "answers them one by one", f"{len(golden.rows)} equal answers", observed, not differing
    )


def _golden_check(
    client: httpx.Client, golden: GoldenRows, positions: list[int], name: str
) -> Check:
    difference = _difference(client, golden, positions)
    expected = f"{len(positions)} equal answers"
    return Check(name, expected, difference or expected, passed=difference is None)


def _difference(client: httpx.Client, golden: GoldenRows, positions: list[int]) -> str | None:
    rows = [golden.rows[n] for n in positions]
    answer = client.post("/predict", json={"rows": rows})
    if answer.status_code != httpx.codes.OK:
        return f"golden row {positions[0]}: status {answer.status_code}, {answer.text[:300]}"
    content = answer.json()
    named: list[dict[str, Any]] | None = content.get("probabilities")
    shares = None if named is None else [list(row.values()) for row in named]
    return golden.difference(content["predictions"], shares, first=positions[0])


def _latency_ms(client: httpx.Client, golden: GoldenRows) -> float:
    body = json.dumps(golden.rows[0]).encode()
    headers = {"content-type": "application/json"}
    times = []
    for _ in range(WARM_UP_REQUESTS + TIMED_REQUESTS):
        began = perf_counter()
        client.post("/predict", content=body, headers=headers)
        times.append(perf_counter() - began)
    return median(times[WARM_UP_REQUESTS:]) * 1e3


def _latency_check(latency: float, release: Release) -> Check:
    bound = release.latency_ms
    return Check(
        "answers one row in time",
        f"median at most {bound:g} ms",
        f"{latency:.1f} ms",
        passed=latency <= bound,
    )


def _refusal_check(client: httpx.Client, request: Any) -> Check:  # noqa: ANN401
    answer = client.request(
        request.method, "/predict", content=request.body, headers=request.headers
    )
    return Check(
        f"refuses {request.what}",
        f"status {request.status}",
        f"status {answer.status_code}",
        passed=answer.status_code == request.status,
    )
