"""Traffic that changes a hundred times while requests go on."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import httpx
import pytest

from bentos.predictor.serving import Serving
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import GOLDEN_FILE
from ml_assets.core.routing import routing_key, variant_for
from ml_assets_tests.serving.test_served_bento import wait_until
from ml_assets_tests.serving.test_serving import asked
from ml_assets_tests.serving.traffic import Releases

CALLERS, SWAPS = 4, 100
SALT, ROUTED_BY = "pumps/test", ("load",)
STAGES = (
    ("v1", None, {}),
    ("v1", "v2", {"mode": "canary", "share": 0.3}),
    ("v1", "v2", {"mode": "ab", "share": 0.6}),
    ("v1", "v2", {"mode": "shadow"}),
    ("v2", None, {}),
    ("v1", None, {}),
)


def ask_until(stopped, url, rows, answers):
    """Ask over one connection again and again; keep each answer."""
    with httpx.Client(base_url=url, timeout=30.0, trust_env=False) as client:
        while not stopped.is_set():
            answers.append(client.post("/predict", json={"rows": rows}))


def expected_versions(revision, rows):
    """Who answers each row at a revision."""
    champion, contender, traffic = STAGES[revision % len(STAGES)]
    share = traffic.get("share", 0.0)
    heard = [
        variant_for(
            routing_key(row, columns=ROUTED_BY, keys=("pump",), request_id=""),
            salt=SALT,
            share=share,
        )
        for row in rows
    ]
    return [contender if who == "challenger" else champion for who in heard]


@pytest.mark.slow
def test_a_hundred_changes_of_traffic_fail_and_mix_no_answer(release, other_release, tmp_path):
    releases = Releases(release, other_release)
    rows = list(GoldenRows.from_json(release[GOLDEN_FILE]).rows)
    said = {
        version: GoldenRows.from_json(files[GOLDEN_FILE]).predictions
        for version, files in releases.files.items()
    }
    serving = Serving(tmp_path / "spool")

    def follow(revision):
        champion, contender, traffic = STAGES[revision % len(STAGES)]
        routed = {"routing_key": ROUTED_BY} if contender else {}
        deployment = releases.deployment(revision, champion, contender, **traffic, **routed)
        serving.follow(deployment, releases.read)
        assert serving.contender_error is None

    follow(1)
    stopped, answers = threading.Event(), [[] for _ in range(CALLERS)]
    with asked(serving) as client, ThreadPoolExecutor(CALLERS) as callers:
        running = [
            callers.submit(ask_until, stopped, str(client.base_url), rows, mine) for mine in answers
        ]
        try:
            for revision in range(2, SWAPS + 2):
                before = [len(mine) for mine in answers]
                follow(revision)
                wait_until(
                    lambda before=before: any(
                        len(mine) > had + 1 for mine, had in zip(answers, before, strict=True)
                    )
                )
        finally:
            stopped.set()
        for one in running:
            one.result()
    serving.close()
    seen = Counter()
    for mine in answers:
        assert {answer.status_code for answer in mine} == {200}
        told = [answer.json() for answer in mine]
        assert all(earlier["revision"] <= later["revision"] for earlier, later in pairwise(told))
        for answer in told:
            versions = answer.get("versions") or [answer["version"]] * len(rows)
            assert versions == expected_versions(answer["revision"], rows)
            assert answer["predictions"] == [said[v][n] for n, v in enumerate(versions)]
            seen[answer["revision"]] += 1
    assert set(seen) >= set(range(2, SWAPS + 2))
