"""Two versions in one server: who answers, what is logged, and what a failure does."""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from bentos.predictor.body import ARROW_TYPE
from bentos.predictor.passes import Answered, Request
from bentos.predictor.serving import Serving
from bentos.predictor.settings import Settings
from bentos.predictor.shadow import Shadow
from bentos.predictor.split import merged
from bentos.predictor.watcher import Watcher
from ml_assets.core.answering import Answers
from ml_assets.core.errors import ServingError
from ml_assets.core.feature_values import FeatureValues
from ml_assets.core.feature_views import History
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import CONTRACT_FILE, GOLDEN_FILE, RELEASE_FILE
from ml_assets.core.request_rows import Refused
from ml_assets.core.routing import routing_key, variant_for
from ml_assets_tests.serving.conftest import put
from ml_assets_tests.serving.entrance import Entrance
from ml_assets_tests.serving.releases import seal
from ml_assets_tests.serving.test_serving import asked
from ml_assets_tests.serving.traffic import Releases, answered, ask, log_of, row

PUMPS = [f"p{n}" for n in range(40)]


@pytest.fixture(scope="module")
def releases(release, other_release):
    return Releases(release, other_release)


@pytest.fixture
def serving(tmp_path):
    made = Serving(tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def follow(serving, releases):
    """Return a function that lets the server follow a new deployment."""

    def followed(revision, *versions, **traffic):
        serving.follow(releases.deployment(revision, *versions, **traffic), releases.read)
        return serving

    return followed


@pytest.fixture
def alone(tmp_path, releases):
    """Return what a version says of requests if it serves alone."""
    made: list[Serving] = []

    def said(version, *requests):
        server = Serving(tmp_path / f"alone-{version}-{len(made)}")
        made.append(server)
        server.follow(releases.deployment(1, version), releases.read)
        return [answered(server, *rows).answers.predictions for rows in requests]

    yield said
    for server in made:
        server.close()


def who(pump, share=0.5):
    key = routing_key({"pump": pump}, columns=(), keys=("pump",), request_id="")
    return variant_for(key, salt="pumps/test", share=share)


def wait_for(claim):
    until = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.01)


def figures(serving, name):
    """Figures of the tally by their labels."""
    registry = CollectorRegistry()
    serving.tally.register(registry)
    return {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


def test_each_row_is_answered_by_the_version_its_key_is_routed_to(follow, alone, tmp_path):
    rows = [row(pump, hour=1) for pump in PUMPS]
    found = answered(follow(1, "v1", "v2", mode="canary", share=0.5), *rows, request_id="r")
    expected = {version: alone(version, rows)[0] for version in ("v1", "v2")}
    chosen = ["v2" if who(pump) == "challenger" else "v1" for pump in PUMPS]
    assert set(chosen) == {"v1", "v2"}
    assert (found.version, found.versions) == (None, tuple(chosen))
    assert found.answers.predictions == [expected[v][n] for n, v in enumerate(chosen)]
    lines = log_of(tmp_path / "spool")
    assert [line["row"] for line in lines] == list(range(len(rows)))
    assert [line["version"] for line in lines] == chosen
    assert [line["variant"] for line in lines] == [who(pump) for pump in PUMPS]
    assert [line["routing_key"] for line in lines] == [f'["{pump}"]' for pump in PUMPS]
    assert [line["prediction"] for line in lines] == found.answers.predictions
    assert {line["error"] for line in lines} == {None}
    assert all(line["latency_ms"] > 0 and line["revision"] == 1 for line in lines)


def test_the_caller_is_told_who_answered_which_row(follow, serving):
    follow(1, "v1", "v2", mode="ab", share=0.5)
    ours = next(pump for pump in PUMPS if who(pump) == "champion")
    theirs = next(pump for pump in PUMPS if who(pump) == "challenger")
    with asked(serving) as client:
        for pump, version in ((ours, "v1"), (theirs, "v2")):
            answer = client.post("/predict", json=row(pump))
            assert answer.json()["version"] == answer.headers["x-model-version"] == version
            assert "versions" not in answer.json()
        both = {"rows": [row(theirs, hour=1), row(ours, hour=1)]}
        answer = client.post("/predict", json=both)
        assert answer.json()["version"] is None
        assert answer.json()["versions"] == ["v2", "v1"]
        assert "x-model-version" not in answer.headers
        answer = client.post("/predict", json=both, headers={"accept": ARROW_TYPE})
        with pa.ipc.open_stream(answer.content) as stream:
            table = stream.read_all()
        assert table.column("version").to_pylist() == ["v2", "v1"]
        assert b"version" not in table.schema.metadata


def test_rows_are_routed_by_the_declared_columns_else_by_the_request(follow, tmp_path):
    serving = follow(1, "v1", "v2", mode="ab", share=0.5, routing_key=("starts", "mode"))
    answered(serving, row(mode="eco"), request_id="r")
    assert log_of(tmp_path / "spool")[0]["routing_key"] == '[3,"eco"]'


def test_both_histories_see_every_row_whoever_answers(follow, alone):
    """A promotion changes nothing: the challenger has seen what the champion answered."""
    pumps = [pump for pump in PUMPS if who(pump, 0.2) == "champion"][:2]
    requests = [[row(pump, 10.0 + n, hour=n)] for n in range(6) for pump in pumps]
    last = [row(pump, 50.0, hour=7) for pump in pumps]
    serving = follow(1, "v1", "v2", mode="canary", share=0.2)
    for rows in requests:
        answered(serving, *rows)
    follow(2, "v2")
    promoted = answered(serving, *last)
    assert promoted.version == "v2"
    assert promoted.answers.predictions == alone("v2", *requests, last)[-1]
    follow(3, "v1")
    back = answered(serving, *last)
    assert back.answers.predictions == alone("v1", *requests, last)[-1]


def test_a_version_looks_back_on_rows_that_the_other_one_answered(follow, alone):
    serving = follow(1, "v1", "v2", mode="ab", share=0.5, routing_key=("load",))
    requests = [[row("p0", 7.0 * n, hour=n)] for n in range(12)]
    found = [answered(serving, *rows) for rows in requests]
    expected = {version: alone(version, *requests) for version in ("v1", "v2")}
    assert {one.version for one in found} == {"v1", "v2"}
    for n, one in enumerate(found):
        assert one.answers.predictions == expected[one.version][n]


def test_only_a_release_that_remembers_nothing_goes_on_as_it_is(follow, serving):
    follow(1, "v1", "v2", mode="canary", share=0.1)
    champion, challenger = serving.loaded.predictor, serving.loaded.beside.contender.predictor
    nothing = History(timedelta(0), timedelta(0))
    champion.release = replace(champion.release, reach=nothing)
    follow(2, "v1", "v2", mode="ab", share=0.5)
    assert serving.loaded.predictor is champion
    assert serving.loaded.beside.contender.predictor is not challenger


class BrokenError(Exception):
    """What a version may raise."""


def test_the_champion_answers_what_the_challenger_cannot(
    follow, alone, tmp_path, monkeypatch, caplog
):
    serving = follow(1, "v1", "v2", mode="canary", share=1.0)
    predictor = serving.loaded.beside.contender.predictor
    sound = predictor.predict_all

    def sometimes(requests, **more):
        if any(rows.columns["load"][0] == 13.0 for rows in requests):
            message = "load is 13.0"
            raise BrokenError(message)
        return sound(requests, **more)

    monkeypatch.setattr(predictor, "predict_all", sometimes)
    bad, good = [row("p0", 13.0, hour=1), row("p1", 14.0, hour=1)], [row("p0", 15.0, hour=2)]
    for _ in range(2):
        found = answered(serving, *bad, request_id="bad")
    assert (found.version, found.versions) == ("v1", None)
    assert found.answers.predictions == alone("v1", bad)[0]
    assert answered(serving, *good, request_id="good").version == "v2"
    lines = [line for line in log_of(tmp_path / "spool") if line["request_id"] == "bad"]
    told = [(line["row"], line["variant"], line["version"], line["error"]) for line in lines]
    assert told == [
        (0, "challenger", "v2", "BrokenError"),
        (0, "champion", "v1", None),
        (1, "challenger", "v2", "BrokenError"),
        (1, "champion", "v1", None),
    ]
    assert [line["prediction"] for line in lines if line["variant"] == "challenger"] == [None] * 2
    assert [line["inputs"]["load"] for line in lines[::2]] == [13.0, 14.0]
    assert figures(serving, "ml_assets_variant_rows_total") == {
        ("v1", "champion", "answered"): 2.0,
        ("v2", "challenger", "failed"): 2.0,
        ("v2", "challenger", "answered"): 1.0,
    }
    assert len([record for record in caplog.records if "fails" in record.message]) == 1
    assert "13.0" not in str(caplog.records[0].__dict__)


@pytest.fixture
def hung(follow, serving, monkeypatch):
    """A challenger that does not come back from a load of 13 until it is let go."""
    follow(1, "v1", "v2", mode="canary", share=1.0)
    predictor = serving.loaded.beside.contender.predictor
    predictor.release = replace(predictor.release, latency_ms=20.0)
    let_go, sound = threading.Event(), predictor.predict_all

    def sometimes(requests, **more):
        if any(rows.columns["load"][0] == 13.0 for rows in requests):
            let_go.wait(20)
        return sound(requests, **more)

    monkeypatch.setattr(predictor, "predict_all", sometimes)
    yield let_go
    let_go.set()


def test_a_challenger_that_does_not_come_back_makes_nobody_wait_for_long(
    hung, serving, alone, tmp_path
):
    requests = [[row("p0", 13.0 + n, hour=n)] for n in range(4)]
    began = time.monotonic()
    found = [answered(serving, *rows, request_id=f"r{n}") for n, rows in enumerate(requests)]
    assert time.monotonic() - began < 10
    assert {one.version for one in found} == {"v1"}
    assert [one.answers.predictions for one in found] == alone("v1", *requests)
    lines = log_of(tmp_path / "spool")
    told = [(line["variant"], line["error"], line["prediction"] is None) for line in lines]
    assert told == [("challenger", "TooLate", True), ("champion", None, False)] * 4
    assert figures(serving, "ml_assets_variant_rows_total")["v2", "challenger", "failed"] == 4

    hung.set()
    wait_for(lambda: serving.loaded.beside.contender.reusable)
    last = [row("p0", 50.0, hour=5)]
    back = answered(serving, *last, request_id="r9")
    assert (back.version, back.answers.predictions) == ("v2", alone("v2", *requests, last)[-1])


@pytest.mark.usefixtures("hung")
def test_a_challenger_that_does_not_come_back_can_be_withdrawn_and_tried_anew(
    follow, alone, serving
):
    rows, last = [row("p0", 13.0, hour=0)], [row("p0", 50.0, hour=1)]
    assert answered(serving, *rows).version == "v1"
    stuck = serving.loaded.beside.contender
    follow(2, "v1")
    assert answered(serving, *rows).version == "v1"
    follow(3, "v2")
    assert serving.loaded.predictor is not stuck.predictor
    assert answered(serving, *last).answers.predictions == alone("v2", rows, last)[-1]


def test_what_has_not_come_back_does_not_become_the_champion(serving, releases, monkeypatch):
    nothing = History(timedelta(0), timedelta(0))
    serving.follow(releases.deployment(1, "v1", "v2", mode="canary", share=1.0), releases.read)
    contender = serving.loaded.beside.contender
    contender.predictor.release = replace(contender.predictor.release, reach=nothing)
    passes = serving._take

    def meanwhile(loaded):
        monkeypatch.setattr(contender._thread, "_late", True)
        passes(loaded)

    monkeypatch.setattr(serving, "_take", meanwhile)
    with pytest.raises(ServingError, match="has not come back"):
        serving.follow(releases.deployment(2, "v2"), releases.read)
    assert serving.loaded.version == "v1"
    monkeypatch.setattr(serving, "_take", passes)
    serving.follow(releases.deployment(2, "v2"), releases.read)
    assert serving.loaded.version == "v2"
    assert serving.loaded.predictor is not contender.predictor


def test_a_failed_request_does_not_fail_its_neighbours(follow, serving, monkeypatch):
    follow(1, "v1", "v2", mode="canary", share=1.0)
    contender = serving.loaded.beside.contender
    sound = contender.predictor.predict_all

    def never_two(requests, **more):
        if len(requests) > 1:
            raise BrokenError
        return sound(requests, **more)

    monkeypatch.setattr(contender.predictor, "predict_all", never_two)
    passes, loaded = serving._passes, serving.loaded
    requests = [Request(json.dumps(row(hour=n)).encode()) for n in range(3)]
    found = serving.lane.between_passes(lambda: passes.answer(loaded, requests))
    assert [one.version for one in found] == ["v2"] * 3


def test_what_the_champion_refuses_is_refused(follow):
    found = ask(follow(1, "v1", "v2", mode="ab", share=1.0), row(load=3000.0))
    assert isinstance(found, Refused)


def test_a_challenger_with_another_contract_reads_the_request_itself(
    serving, release, other_release, tmp_path
):
    contract = json.loads(other_release[CONTRACT_FILE])
    next(column for column in contract if column["name"] == "load")["at_most"] = 99.0
    narrow = seal({**other_release, CONTRACT_FILE: json.dumps(contract).encode()})
    releases = Releases(release, narrow)
    serving.follow(releases.deployment(1, "v1", "v2", mode="ab", share=1.0), releases.read)
    assert answered(serving, row(load=80.0), request_id="a").version == "v2"
    assert answered(serving, row(load=99.5), request_id="b").version == "v1"
    lines = log_of(tmp_path / "spool")
    assert [(line["variant"], line["error"]) for line in lines] == [
        ("challenger", None),
        ("challenger", "Refused"),
        ("champion", None),
    ]


def test_probabilities_come_in_the_champions_order():
    inputs = FeatureValues(("x",), np.zeros((2, 1)), (), ())
    ours = Answers(["a", "a"], [[0.9, 0.1], [0.8, 0.2]], ("a", "b"), inputs)
    theirs = Answers(["b", "b"], [[0.7, 0.3], [0.6, 0.4]], ("b", "a"), inputs)
    both = merged(ours, theirs, [True, False])
    assert (both.predictions, both.probabilities) == (["b", "a"], [[0.3, 0.7], [0.8, 0.2]])


def test_the_shadow_is_logged_and_heard_by_nobody(follow, alone, serving, tmp_path):
    follow(1, "v1", "v2", mode="shadow")
    requests = [[row(pump, 10.0 + n, hour=n) for pump in ("p0", "p1")] for n in range(5)]
    found = [answered(serving, *rows, request_id=f"r{n}") for n, rows in enumerate(requests)]
    assert {one.version for one in found} == {"v1"}
    assert [one.answers.predictions for one in found] == alone("v1", *requests)
    wait_for(lambda: len(log_of(tmp_path / "spool")) == 20)
    lines = log_of(tmp_path / "spool")
    assert [line["variant"] for line in lines] == ["champion", "shadow"] * 10
    shadow = [line["prediction"] for line in lines if line["variant"] == "shadow"]
    assert shadow == [value for some in alone("v2", *requests) for value in some]
    assert {line["version"] for line in lines if line["variant"] == "shadow"} == {"v2"}
    assert all(line["latency_ms"] > 0 for line in lines)


def test_a_slow_shadow_makes_nobody_wait_and_leaves_no_gap(
    serving, releases, alone, tmp_path, monkeypatch
):
    monkeypatch.setitem(Shadow.__init__.__kwdefaults__, "rows", 2)
    serving.follow(releases.deployment(1, "v1", "v2", mode="shadow"), releases.read)
    shadow = serving.loaded.beside.contender
    go_on, sound = threading.Event(), shadow.predictor.predict_all

    def when_told(requests, **more):
        go_on.wait(20)
        return sound(requests, **more)

    monkeypatch.setattr(shadow.predictor, "predict_all", when_told)
    requests = [[row("p0", 10.0 + n, hour=n)] for n in range(6)]
    for n, rows in enumerate(requests):
        answered(serving, *rows, request_id=f"r{n}")
    assert figures(serving, "ml_assets_variant_rows_total")["v2", "shadow", "dropped"] == 4
    go_on.set()
    wait_for(lambda: not shadow._behind)
    last = [row("p0", 50.0, hour=7)]
    answered(serving, *last, request_id="r7")
    names = ["r0", "r1", "r7"]
    wait_for(lambda: [one["request_id"] for one in shadows(tmp_path)] == names)
    expected = [some[0] for some in alone("v2", *requests, last)]
    told = [line["prediction"] for line in shadows(tmp_path)]
    assert told == [expected[0], expected[1], expected[-1]]


def shadows(tmp_path):
    return [line for line in log_of(tmp_path / "spool") if line["variant"] == "shadow"]


def test_a_shadow_that_raises_is_logged_as_failed(follow, serving, tmp_path, monkeypatch):
    follow(1, "v1", "v2", mode="shadow")
    shadow = serving.loaded.beside.contender

    def broken(*_, **__):
        raise BrokenError

    monkeypatch.setattr(shadow.predictor, "predict_all", broken)
    assert answered(serving, row()).version == "v1"
    wait_for(lambda: shadows(tmp_path))
    assert [(line["prediction"], line["error"]) for line in shadows(tmp_path)] == [
        (None, "BrokenError")
    ]


def test_a_shadow_that_leaves_the_shadow_has_missed_nothing(follow, alone, serving):
    follow(1, "v1", "v2", mode="shadow")
    requests = [[row("p0", 10.0 + n, hour=n)] for n in range(4)]
    for rows in requests:
        answered(serving, *rows)
    follow(2, "v1", "v2", mode="canary", share=1.0)
    last = [row("p0", 50.0, hour=5)]
    found = answered(serving, *last)
    assert (found.version, found.answers.predictions) == ("v2", alone("v2", *requests, last)[-1])


@pytest.mark.parametrize("wrong", ["golden", "task", "routing", "itself", "missing"])
def test_a_contender_that_cannot_be_loaded_leaves_the_champion(
    serving, release, other_release, wrong
):
    traffic, contender = {"mode": "ab", "share": 1.0}, "v2"
    releases = Releases(release, other_release)
    deployment = releases.deployment(1, "v1", "v2", **traffic)
    read = releases.read
    match wrong:
        case "golden":
            false = seal({**other_release, GOLDEN_FILE: release[GOLDEN_FILE]})
            releases = Releases(release, false)
            deployment, read = releases.deployment(1, "v1", "v2", **traffic), releases.read
        case "task":
            values = {**json.loads(other_release[RELEASE_FILE]), "problem": "fans"}
            fans = seal({**other_release, RELEASE_FILE: json.dumps(values).encode()})
            releases = Releases(release, fans)
            deployment, read = releases.deployment(1, "v1", "v2", **traffic), releases.read
        case "routing":
            deployment = releases.deployment(1, "v1", "v2", routing_key=("town",), **traffic)
        case "itself":
            deployment, contender = releases.deployment(1, "v1", "v1", **traffic), "v1"
        case "missing":
            read = {"v1": release}.__getitem__
    serving.follow(deployment, read)
    assert serving.error is None
    status = serving.status()
    assert (status["version"], status["traffic"]["version"]) == ("v1", contender)
    assert (status["traffic"]["takes_part"], bool(status["traffic"]["error"])) == (False, True)
    assert answered(serving, row()).version == "v1"
    with asked(serving) as client:
        assert "cannot be loaded" in client.get("/").text
    # It is tried again without a new revision; then the traffic is as it was asked for.
    if wrong == "missing":
        serving.follow(deployment, releases.read)
        assert answered(serving, row()).version == "v2"
        with pytest.raises(ServingError, match="not newer"):
            serving.follow(deployment, releases.read)


def test_without_a_contender_nothing_is_counted_and_lines_are_as_ever(follow, tmp_path):
    serving = follow(1, "v1")
    answered(serving, row())
    assert "variant" not in log_of(tmp_path / "spool")[0]
    assert figures(serving, "ml_assets_variant_rows_total") == {}
    assert serving.status()["traffic"] is None


def test_a_retry_gets_the_mixed_answer_again(follow):
    serving = follow(1, "v1", "v2", mode="ab", share=0.5)
    rows = [row(pump, hour=1) for pump in PUMPS]
    first = answered(serving, *rows, request_id="once")
    follow(2, "v1")
    again = answered(serving, *rows, request_id="once")
    assert isinstance(again, Answered)
    assert again is first


def test_the_pages_and_the_release_say_who_shares_the_traffic(follow, serving):
    follow(1, "v1", "v2", mode="canary", share=0.25)
    with asked(serving) as client:
        told = client.get("/release").json()["traffic"]
        assert (told["mode"], told["version"], told["share"]) == ("canary", "v2", 0.25)
        assert told["takes_part"]
        assert "25 % of the keys" in client.get("/").text
    follow(2, "v1", "v2", mode="shadow")
    with asked(serving) as client:
        assert "in the shadow" in client.get("/").text


def test_the_figures_tell_versions_and_variants_apart(tmp_path, releases):
    entrance = Entrance(tmp_path, None)
    traffic = {"mode": "ab", "share": 0.5}
    entrance.serving.follow(releases.deployment(1, "v1", "v2", **traffic), releases.read)
    rows = [row(pump, hour=1) for pump in PUMPS]
    assert entrance.ask("POST", "/predict", json={"rows": rows}).status_code == 200
    challenged = sum(who(pump) == "challenger" for pump in PUMPS)
    lines = entrance.ask("GET", "/metrics").text.splitlines()
    counted = "ml_assets_variant_rows_total"
    for line in (
        f'ml_assets_rows_total{{version="v1"}} {len(PUMPS) - challenged}.0',
        f'ml_assets_rows_total{{version="v2"}} {challenged}.0',
        f'{counted}{{outcome="answered",variant="challenger",version="v2"}} {challenged}.0',
        'ml_assets_variant_seconds_count{variant="champion",version="v1"} 1.0',
        'ml_assets_variant_seconds_count{variant="challenger",version="v2"} 1.0',
        'ml_assets_traffic_share{mode="ab",version="v2"} 0.5',
        "ml_assets_contender_refused 0.0",
    ):
        assert line in lines
    document = entrance.ask("GET", "/openapi.json").json()
    answer = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    assert "versions" in answer["application/json"]["schema"]["properties"]
    entrance.serving.follow(releases.deployment(2, "v1", "v1", **traffic), releases.read)
    text = entrance.ask("GET", "/metrics").text
    assert "ml_assets_contender_refused 1.0" in text
    assert 'ml_assets_traffic_share{mode="ab",version="v1"} 0.0' in text
    entrance.close()


def test_the_watcher_tries_a_missing_contender_again_and_complains_once(
    serving, releases, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("bentos.predictor.watcher.RETRY_SECONDS", 0.0)
    asked_for = releases.deployment(1, "v1", "v2", mode="canary", share=1.0)
    folders = {name: tmp_path / name for name in ("v1", "v2")}
    put(folders["v1"], releases.files["v1"])
    deployment = replace(
        asked_for,
        release_folder=str(folders["v1"]),
        challenger=replace(asked_for.challenger, release_folder=str(folders["v2"])),
    )
    place = tmp_path / "deployment.json"
    place.write_text(json.dumps(deployment.to_json()))
    watcher = Watcher(serving, Settings(place, tmp_path / "spool"))
    for _ in range(3):
        watcher.look()
    told = [one.message for one in caplog.records if "answers alone" in one.message]
    assert len(told) == 1
    assert "There is no release folder" in told[0]
    assert (serving.error, answered(serving, row()).version) == (None, "v1")
    put(folders["v2"], releases.files["v2"])
    watcher.look()
    assert (serving.contender_error, answered(serving, row()).version) == (None, "v2")
    since = serving.status()["since"]
    watcher.look()
    assert serving.status()["since"] == since


def test_a_predictor_is_closed_when_nobody_needs_it(follow, serving):
    follow(1, "v1", "v2", mode="ab", share=0.5)
    challenger: Predictor = serving.loaded.beside.contender.predictor
    follow(2, "v1")
    with pytest.raises(Exception, match=r"[Cc]losed"):
        challenger.features.recent.__len__()
