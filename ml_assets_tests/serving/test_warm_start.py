"""What requests have brought survives the process: answers go on to the bit."""

import json
import logging
from datetime import timedelta

import httpx
import numpy as np
import pytest

from bentos.predictor.serving import Serving
from ml_assets.core.release import digest_of
from ml_assets.storage.served_bento import ServedBento
from ml_assets_tests.serving.releases import HOURS, START, with_max_rows
from ml_assets_tests.serving.test_serving import asked

END = START + timedelta(hours=HOURS)


@pytest.fixture
def traffic():
    """Single rows, some late by up to two hours, some again with another load."""
    rng = np.random.default_rng(23)
    minutes = np.arange(0, 600, 15) - rng.integers(0, 120, 40) * (rng.random(40) < 0.4)
    rows = [
        {
            "pump": str(rng.choice(["north", "south"])),
            "load": float(rng.uniform(0, 100)),
            "starts": 3,
            "event_time": (END + timedelta(minutes=int(minute))).isoformat(),
        }
        for minute in minutes
    ]
    return [*rows[:20], {**rows[18], "load": 1.5}, *rows[20:]]


def ask(client, rows):
    answers = [client.post("/predict", json=row).json() for row in rows]
    return [answer["predictions"] for answer in answers]


def lines(spool):
    found = [
        json.loads(line) for p in spool.rglob("*.jsonl") for line in p.read_bytes().splitlines()
    ]
    return sorted(found, key=lambda line: line["at"])


def predictions_of(folder, releases, parts, *, between=None):
    """Serve each part of the traffic by a process of its own, as far as the memory goes."""
    predictions = []
    for part, (files, revision) in zip(parts, releases, strict=True):
        serving = Serving(folder)
        serving.serve(files, digest=digest_of(files), revision=revision)
        with asked(serving) as client:
            predictions += ask(client, part)
        serving.close()
        if between is not None and part is parts[0]:
            between(folder)
    return predictions


def answers_of(folder, releases, parts):
    """Return the predictions, and the features in the log."""
    predictions = predictions_of(folder, releases, parts)
    return predictions, [line["features"] for line in lines(folder)]


def test_answers_after_a_restart_are_those_without_it(tmp_path, release, traffic):
    without = answers_of(tmp_path / "one", [(release, 1)], [traffic])
    parts = [traffic[:13], traffic[13:22], traffic[22:]]
    restarted = answers_of(tmp_path / "three", [(release, 1)] * 3, parts)
    assert restarted == without


def test_rows_of_large_requests_are_remembered_too(tmp_path, release, traffic):
    wide = with_max_rows(release, 200)
    times = [END + timedelta(minutes=601, seconds=n) for n in range(150)]
    many = {"rows": [{**traffic[0], "event_time": time.isoformat()} for time in times]}
    last = {**traffic[0], "event_time": (END + timedelta(minutes=640)).isoformat()}
    asked = [*traffic, many, last]
    without = predictions_of(tmp_path / "one", [(wide, 1)], [asked])
    assert len(list((tmp_path / "one").rglob("*.records"))) == 1
    parts = [asked[:-1], asked[-1:]]
    assert predictions_of(tmp_path / "two", [(wide, 1)] * 2, parts) == without

    def lose(spool):
        for path in spool.rglob("*.records"):
            path.unlink()

    forgot = predictions_of(tmp_path / "three", [(wide, 1)] * 2, parts, between=lose)
    assert forgot != without


def test_a_process_that_remembers_nothing_would_answer_otherwise(tmp_path, release, traffic):
    without = answers_of(tmp_path / "one", [(release, 1)], [traffic])[0]
    parts = [traffic[:13], traffic[13:]]

    def lose(spool):
        for path in spool.rglob("*.jsonl"):
            path.unlink()

    forgot = predictions_of(tmp_path / "two", [(release, 1)] * 2, parts, between=lose)
    assert forgot != without


def test_an_exchange_knows_what_a_restart_knows(tmp_path, release, other_release, traffic):
    first, second = traffic[:20], traffic[20:]
    serving = Serving(tmp_path / "exchanged")
    serving.serve(release, digest=digest_of(release), revision=1)
    with asked(serving) as client:
        exchanged = ask(client, first)
        serving.serve(other_release, digest=digest_of(other_release), revision=2)
        exchanged += ask(client, second)
    serving.close()
    releases = [(release, 1), (other_release, 2)]
    restarted, _ = answers_of(tmp_path / "restarted", releases, [first, second])
    assert restarted == exchanged


def test_a_torn_last_line_is_not_remembered(tmp_path, release, traffic):
    def tear(spool):
        (path,) = spool.rglob("*.jsonl")
        content = path.read_bytes()
        last = content.splitlines(keepends=True)[-1]
        path.write_bytes(content[: -len(last) // 2])

    def drop(spool):
        (path,) = spool.rglob("*.jsonl")
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    parts = [traffic[:13], traffic[13:]]
    releases = [(release, 1)] * 2
    torn = predictions_of(tmp_path / "torn", releases, parts, between=tear)
    dropped = predictions_of(tmp_path / "dropped", releases, parts, between=drop)
    assert torn == dropped


def test_a_damaged_line_is_passed_over_and_named_without_its_content(
    tmp_path, release, traffic, caplog
):
    def damage(spool):
        (path,) = spool.rglob("*.jsonl")
        path.write_bytes(b'{"secret": 4711\n' + path.read_bytes())

    parts = [traffic[:13], traffic[13:]]
    releases = [(release, 1)] * 2
    with caplog.at_level(logging.WARNING):
        damaged = predictions_of(tmp_path / "damaged", releases, parts, between=damage)
    assert damaged == answers_of(tmp_path / "one", [(release, 1)], [traffic])[0]
    assert "damaged" in caplog.text
    assert "4711" not in caplog.text


@pytest.mark.slow
@pytest.mark.serve
def test_a_killed_server_goes_on_where_it_was(tmp_path, bento, home, release, traffic):
    without, _ = answers_of(tmp_path / "one", [(release, 0)], [traffic])
    spool, answered = tmp_path / "spool", []
    for part in (traffic[:17], traffic[17:]):
        served = ServedBento(bento, home, tmp_path / "log", spool).start()
        with httpx.Client(base_url=served.url, timeout=30.0, trust_env=False) as client:
            answered += ask(client, part)
        served.kill()
    assert answered == without
