"""A server in this process whose deployment names two versions."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bentos.predictor.passes import Answered, Outcome, Request
from bentos.predictor.serving import Serving
from ml_assets.core.deployment import DeployedVersion, Deployment, Mode
from ml_assets.core.release import RELEASE_FILE, digest_of
from ml_assets_tests.serving.releases import HOURS, START

NEXT = START + timedelta(hours=HOURS)


class Releases:
    """Releases by their version, as folders that a server reads."""

    def __init__(self, *releases: dict[str, bytes]) -> None:
        self.files = {json.loads(files[RELEASE_FILE])["version"]: files for files in releases}

    def named(self, version: str) -> DeployedVersion:
        return DeployedVersion(version, digest_of(self.files[version]), version)

    def read(self, folder: str) -> dict[str, bytes]:
        return self.files[folder]

    def deployment(
        self,
        revision: int,
        champion: str,
        contender: str | None = None,
        *,
        mode: Mode = "champion",
        share: float = 0.0,
        routing_key: tuple[str, ...] = (),
    ) -> Deployment:
        first = self.named(champion)
        alone = Deployment(
            "pumps",
            revision,
            first.digest,
            champion,
            champion,
            datetime(2024, 1, 1, tzinfo=UTC),
            "test",
        )
        if contender is None:
            return alone
        role = "shadow" if mode == "shadow" else "challenger"
        return replace(
            alone,
            mode=mode,
            share=share,
            experiment="pumps/test",
            routing_key=routing_key,
            **{role: self.named(contender)},
        )


def row(pump: str = "north", load: float = 40.0, *, hour: int | None = None, **more):
    """A row of a request; ``hour`` counts from the end of the release's history."""
    moment = {} if hour is None else {"event_time": (NEXT + timedelta(hours=hour)).isoformat()}
    return {"pump": pump, "load": load, "starts": 3, **moment, **more}


def ask(serving: Serving, *rows, request_id: str | None = None) -> Outcome:
    """Ask once."""
    body = json.dumps({"rows": rows}).encode()
    return asyncio.run(serving.submit(Request(body, "json", request_id)))


def answered(serving: Serving, *rows, request_id: str | None = None) -> Answered:
    found = ask(serving, *rows, request_id=request_id)
    assert isinstance(found, Answered), found
    return found


def log_of(spool) -> list[dict]:
    """Every line of the log, in order of request, row and variant."""
    lines = [
        json.loads(line)
        for path in spool.glob("**/*.jsonl")
        for line in path.read_text().splitlines()
    ]
    return sorted(
        lines, key=lambda line: (line["request_id"], line["row"], line.get("variant", ""))
    )
