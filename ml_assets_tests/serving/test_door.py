"""The door: keys, limits, names, traces, figures, and what nobody outside learns."""

import asyncio
import json
import logging
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bentos.predictor.structured_log import JsonLines
from ml_assets.core.addresses import is_loopback
from ml_assets.core.api_keys import ApiKey, KeyRing, digest_of_secret
from ml_assets.core.drift_notice import NOTICE_FILE, DriftNotice
from ml_assets.core.errors import ServingError
from ml_assets.core.golden import GoldenRows
from ml_assets.core.rate_limit import RateLimit, TokenBuckets
from ml_assets.core.release import GOLDEN_FILE, RELEASE_FILE, Release
from ml_assets.storage.api_keys import KeyStore
from ml_assets.storage.served_bento import ServedBento
from ml_assets_tests.serving.entrance import ELSEWHERE, HERE, Entrance
from ml_assets_tests.serving.releases import seal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def entrance(tmp_path, release):
    made = Entrance(tmp_path, release)
    yield made
    made.close()


@pytest.fixture
def store(entrance):
    return KeyStore(entrance.keys.parent)


@pytest.fixture
def row(release):
    return GoldenRows.from_json(release[GOLDEN_FILE]).rows[0]


def predict(entrance, row, **given):
    return entrance.ask("POST", "/predict", json=row, **given)


def limited(release, limit):
    described = replace(Release.from_json(json.loads(release[RELEASE_FILE])), rate_limit=limit)
    return seal({**release, RELEASE_FILE: json.dumps(described.to_json()).encode()})


# Keys


def test_without_keys_this_machine_is_answered_and_no_other(entrance, row):
    assert predict(entrance, row).status_code == 200
    for given in (
        {"client": ELSEWHERE},
        {"server": ELSEWHERE},
        {"headers": {"x-forwarded-for": HERE}},
        {"headers": {"forwarded": f"for={HERE}"}},
    ):
        answer = predict(entrance, row, **given)
        assert (answer.status_code, answer.json()) == (401, {"error": "This needs a key."})
        assert answer.headers["www-authenticate"] == "Bearer"


def test_with_one_key_everyone_needs_one(entrance, store, row):
    secret = store.create("shop", ["predict"])
    assert predict(entrance, row).status_code == 401
    assert predict(entrance, row, key=secret).status_code == 200
    assert predict(entrance, row, key=secret, client=ELSEWHERE).status_code == 200
    assert predict(entrance, row, headers={"x-api-key": secret}).status_code == 200
    assert predict(entrance, row, key=secret[:-1]).status_code == 401
    assert predict(entrance, row, headers={"authorization": f"Basic {secret}"}).status_code == 401


@pytest.mark.parametrize(
    ("scope", "opened"),
    [
        ("predict", {"/predict", "/openapi.json", "/"}),
        ("feedback", {"/feedback", "/openapi.json", "/"}),
        ("admin", {"/release", "/metrics", "/nothing/here", "/openapi.json", "/"}),
    ],
)
def test_a_scope_opens_its_paths_and_no_others(entrance, store, scope, opened):
    secret = store.create("one", [scope])
    paths = ("/", "/predict", "/feedback", "/openapi.json", "/release", "/metrics", "/nothing/here")
    method = {"/predict": "POST", "/feedback": "POST"}
    found = {
        path
        for path in paths
        if entrance.ask(method.get(path, "GET"), path, key=secret).status_code != 403
    }
    assert found == opened
    assert entrance.ask("GET", "/release", key=secret).status_code in (200, 403)
    for probe in ("/livez", "/readyz"):
        assert entrance.ask("GET", probe, client=ELSEWHERE).status_code == 200


def test_a_revoked_and_an_expired_key_open_nothing(entrance, store, row):
    secret = store.create("shop", ["predict"])
    late = store.create("late", ["predict"], expires=datetime.now(tz=UTC) - timedelta(seconds=1))
    assert predict(entrance, row, key=secret).status_code == 200
    assert predict(entrance, row, key=late).status_code == 401
    store.revoke("shop")
    assert predict(entrance, row, key=secret).status_code == 401
    # The last key is gone, and yet nothing stands open.
    assert predict(entrance, row).status_code == 401


def test_a_damaged_file_of_keys_opens_nothing(entrance, store, row):
    secret = store.create("shop", ["predict"])
    assert predict(entrance, row, key=secret).status_code == 200
    entrance.keys.write_text('{"keys": [')
    for given in ({}, {"key": secret}):
        assert predict(entrance, row, **given).status_code == 503
    ready = entrance.ask("GET", "/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)


def test_a_secret_is_kept_nowhere(store):
    secrets = {store.create(f"key-{n}", ["predict"]) for n in range(3)}
    kept = store.path.read_text()
    assert len(secrets) == 3
    for secret in secrets:
        assert len(secret) == 47
        assert secret not in kept
        assert digest_of_secret(secret) in kept
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_name_is_given_once_and_again_after_it_is_revoked(store):
    first = store.create("shop", ["feedback", "predict", "predict"])
    with pytest.raises(ServingError, match="already"):
        store.create("shop", ["predict"])
    store.revoke("shop")
    second = store.create("shop", ["predict"])
    now = datetime.now(tz=UTC)
    ring = store.ring()
    assert ring.find(first, now=now) is None
    assert ring.find(second, now=now).name == "shop"
    assert ring.keys[0].scopes == ("predict", "feedback")
    with pytest.raises(ServingError, match="Did you mean 'shop'"):
        store.revoke("shoq")


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": ["all"]},
        {"sha256": "x"},
        {"name": "a b"},
        {"created": "2024-01-01"},
        {"expires": 3},
        {"more": 1},
    ],
)
def test_a_key_that_is_not_whole_is_refused(change):
    key = ApiKey("a", digest_of_secret("s"), ("admin",), datetime(2024, 1, 1, tzinfo=UTC))
    text = KeyRing((key,)).to_json()
    assert KeyRing.from_json(text).keys == (key,)
    with pytest.raises(ServingError):
        KeyRing.from_json(json.dumps({"keys": [{**key.to_json(), **change}]}))


def test_only_loopback_is_loopback():
    assert all(is_loopback(host) for host in ("127.9.9.9", "::1", "localhost"))
    for host in ("::", "10.0.0.1", "localhost.example.org", "", "127.0.0.1.nip.io"):
        assert not is_loopback(host)


# Limits


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path, release, row):
    entrance = Entrance(tmp_path, limited(release, RateLimit(0.01, 2)))
    store = KeyStore(entrance.keys.parent)
    one, other = store.create("one", ["predict"]), store.create("other", ["predict", "admin"])
    assert [predict(entrance, row, key=one).status_code for _ in range(3)] == [200, 200, 429]
    refused = predict(entrance, row, key=one)
    assert 0 < int(refused.headers["retry-after"]) <= 100
    assert "error" in refused.json()
    assert predict(entrance, row, key=other).status_code == 200
    assert {entrance.ask("GET", "/metrics", key=other).status_code for _ in range(5)} == {200}
    entrance.close()


def test_without_keys_an_address_is_a_caller(tmp_path, release, row):
    entrance = Entrance(tmp_path, limited(release, RateLimit(0.01, 1)))
    assert predict(entrance, row, client="127.0.0.1").status_code == 200
    assert predict(entrance, row, client="127.0.0.1").status_code == 429
    assert predict(entrance, row, client="127.0.0.2").status_code == 200
    entrance.close()


def test_buckets_fill_up_to_their_burst_and_no_further():
    buckets = TokenBuckets(RateLimit(2.0, 3))
    assert [buckets.take("a", now=0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert [buckets.take("a", now=0.5) for _ in range(2)] == [0.0, 0.5]
    assert [buckets.take("a", now=1000.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_many_callers_take_bounded_memory():
    buckets = TokenBuckets(RateLimit(1.0, 1), most=10)
    for caller in range(1000):
        assert buckets.take(caller, now=0.0) == 0.0
    assert len(buckets) == 10
    assert buckets.take(999, now=0.0) > 0


# Names, traces, headers, errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/predict", 405),
        ("PUT", "/feedback", 405),
        ("DELETE", "/livez", 405),
        ("GET", "/nothing", 404),
        ("GET", "/predict/", 404),
        ("GET", "/docs.json", 404),
        ("POST", "/predict", 415),
        ("GET", "/release", 200),
        ("GET", "/", 200),
    ],
)
def test_every_answer_has_a_name_and_says_no_more_than_it_should(entrance, method, path, status):
    answer = entrance.ask(method, path, headers={"x-request-id": "me.1", "traceparent": PARENT})
    assert answer.status_code == status
    assert answer.headers.get_list("x-request-id") == ["me.1"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert span != "00f067aa0ba902b7"
    if status >= 400:
        assert set(answer.json()) == {"error"}
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "<script>"])
def test_a_name_that_is_none_is_not_repeated(entrance, name):
    answer = entrance.ask("GET", "/livez", headers={"x-request-id": name})
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "given",
    [
        "",
        "00-zz-00f067aa0ba902b7-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
    ],
)
def test_a_trace_that_is_none_is_not_passed_on(entrance, given):
    assert (
        "traceparent" not in entrance.ask("GET", "/livez", headers={"traceparent": given}).headers
    )


def logged(caplog):
    lines = [JsonLines().format(record) for record in caplog.records]
    return [json.loads(line) for line in lines]


def test_a_refused_request_is_one_line_without_its_values(entrance, row, caplog):
    caplog.set_level(logging.INFO, logger="bentos.predictor")
    headers = {"x-request-id": "me.2", "traceparent": PARENT}
    assert predict(entrance, row).status_code == 200
    assert predict(entrance, {**row, "load": 4242.5}, headers=headers).status_code == 422
    entrance.ask(
        "POST", "/predict", content=b"{4242.5", headers={"content-type": "application/json"}
    )
    entrance.ask("GET", "/secret-4242.5?x=4242.5")
    first, second, third = logged(caplog)
    for line in (first, second, third):
        assert "4242.5" not in json.dumps(line)
    assert first["message"] == "request refused"
    known = ("request_id", "trace_id", "method", "path", "status", "version", "key")
    assert [first[name] for name in known] == ["me.2", TRACE, "POST", "/predict", 422, "v1", None]
    assert first["ms"] > 0
    assert (second["status"], third["path"]) == (400, "other")


def test_back_pressure_is_no_failure(tmp_path, row, caplog):
    caplog.set_level(logging.INFO, logger="bentos.predictor")
    entrance = Entrance(tmp_path, None)
    assert predict(entrance, row).status_code == 503
    (line,) = logged(caplog)
    assert (line["level"], line["message"], line["status"]) == ("info", "request refused", 503)
    entrance.close()


def test_a_failure_is_told_to_the_operator_and_not_to_the_caller(
    entrance, row, caplog, monkeypatch
):
    def broken(*_, **__):
        message = f"it broke on {row['load']}"
        raise RuntimeError(message)

    monkeypatch.setattr(type(entrance.serving), "submit", broken)
    answer = predict(entrance, row)
    assert (answer.status_code, set(answer.json())) == (500, {"error"})
    assert "x-request-id" in answer.headers
    (line,) = logged(caplog)
    assert line["level"] == "error"
    assert line["failure"] == "RuntimeError"
    assert "test_door.py" in line["where"][-1]
    for told in (answer.text, json.dumps(line)):
        assert "it broke on" not in told


def test_a_full_disk_is_counted(entrance, row, caplog):
    entrance.spool.write_text("a file where the folder should be")
    assert predict(entrance, row).status_code == 500
    (line,) = logged(caplog)
    assert "prediction log" in line["reason"]
    assert "ml_assets_log_errors_total 1.0" in entrance.ask("GET", "/metrics").text


# Operations


def test_a_server_without_a_release_lives_and_is_not_ready(tmp_path, row):
    entrance = Entrance(tmp_path, None)
    assert entrance.ask("GET", "/livez").json() == {"alive": True}
    ready = entrance.ask("GET", "/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, "A release is being loaded.")
    entrance.serving.error = "ArtefactError: /some/folder is damaged"
    assert "/some/folder" in entrance.ask("GET", "/readyz").json()["reason"]
    assert "/some/folder" not in entrance.ask("GET", "/readyz", client=ELSEWHERE).text
    for path in ("/predict", "/feedback"):
        answer = entrance.ask("POST", path, json=row)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "ml_assets_ready 0.0" in entrance.ask("GET", "/metrics").text
    entrance.close()


def test_the_page_shows_a_row_and_names_no_folder(entrance, row):
    page = entrance.ask("GET", "/").text
    assert "at least 0; at most 100</td><td>Load in percent.</td>" in page
    assert "north, south or others" in page
    assert f"&quot;load&quot;: {row['load']}" in page
    assert "/feedback" in page
    entrance.serving.error = "ArtefactError: /some/folder is damaged"
    assert "could not be served: GET /release says why" in entrance.ask("GET", "/").text
    assert "/some/folder" not in entrance.ask("GET", "/").text
    assert "/some/folder" in entrance.ask("GET", "/release").text


def test_figures_count_what_happened(entrance, row):
    other = {**row, "pump": "north" if row["pump"] == "south" else "south"}
    predict(entrance, {"rows": [row, other]})
    predict(entrance, row)
    predict(entrance, {**row, "load": -1})
    answer = entrance.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    for line in (
        'ml_assets_requests_total{path="/predict",status="200",version="v1"} 2.0',
        'ml_assets_requests_total{path="/predict",status="422",version="v1"} 1.0',
        'ml_assets_rows_total{version="v1"} 3.0',
        'ml_assets_request_seconds_count{path="/predict",version="v1"} 3.0',
        "ml_assets_requests_in_flight 1.0",
        "ml_assets_deployment_revision 1.0",
        "ml_assets_ready 1.0",
        "ml_assets_log_errors_total 0.0",
    ):
        assert line in lines
    assert 'problem="pumps",version="v1"' in answer.text


def test_strangers_make_no_series(entrance, row):
    predict(entrance, row)
    for n in range(50):
        entrance.ask("GET", f"/scan/{n}")
        entrance.ask("GET", f"/{n}", headers={"x-model-version": str(n)})
    text = entrance.ask("GET", "/metrics").text
    assert 'path="other",status="404",version="v1"} 100.0' in text
    assert "scan" not in text
    assert len(text.splitlines()) < 120


def test_the_newest_verdict_on_drift_is_among_the_figures(entrance):
    place = entrance.deployment.with_name(NOTICE_FILE)
    assert "drift" not in entrance.ask("GET", "/metrics").text
    end = datetime(2024, 1, 2, tzinfo=UTC)
    place.write_text(DriftNotice("v1", "drift", end, 1.5).to_json())
    lines = entrance.ask("GET", "/metrics").text.splitlines()
    assert 'ml_assets_drift_state{state="drift",version="v1"} 1.0' in lines
    assert 'ml_assets_drift_state{state="quiet",version="v1"} 0.0' in lines
    assert 'ml_assets_drift_effect{version="v1"} 1.5' in lines
    assert f"ml_assets_drift_window_end_seconds {end.timestamp():.7g}".split()[0] in "".join(lines)
    place.write_text("{}")
    assert "ml_assets_drift_unreadable 1.0" in entrance.ask("GET", "/metrics").text


# Feedback


def feedback(entrance, content, **given):
    return entrance.ask("POST", "/feedback", json=content, **given)


def kept(entrance):
    paths = sorted(entrance.spool.glob("pumps/feedback/*/*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_feedback_is_on_disk_before_the_answer(entrance, store):
    secret = store.create("labeller", ["feedback"])
    one = {"request_id": "me.1", "truth": 3, "at": "2024-01-02T03:04:05+01:00"}
    assert feedback(entrance, one, key=secret).json() == {"taken": 1}
    many = {"feedback": [{"request_id": "me.2", "row": n, "truth": n / 2} for n in range(3)]}
    answer = feedback(entrance, many, key=secret)
    assert (answer.status_code, answer.json()) == (202, {"taken": 3})
    lines = kept(entrance)
    assert [(line["request_id"], line["row"], line["truth"]) for line in lines] == [
        ("me.1", 0, 3.0),
        ("me.2", 0, 0.0),
        ("me.2", 1, 0.5),
        ("me.2", 2, 1.0),
    ]
    assert lines[0]["at"] == "2024-01-02T02:04:05+00:00"
    assert {line["by"] for line in lines} == {"labeller"}
    assert datetime.fromisoformat(lines[0]["received_at"]).tzinfo is not None
    metrics = entrance.ask("GET", "/metrics", key=store.create("ops", ["admin"])).text
    assert "ml_assets_feedback_total 4.0" in metrics


@pytest.mark.parametrize(
    ("change", "column", "rule"),
    [
        ({"truth": "high"}, "truth", "type"),
        ({"truth": None}, "truth", "type"),
        ({"truth": True}, "truth", "type"),
        ({"truth": 1e39}, "truth", "range"),
        ({"row": -1}, "row", "range"),
        ({"row": 0.5}, "row", "type"),
        ({"request_id": "a b"}, "request_id", "pattern"),
        ({"request_id": ""}, "request_id", "pattern"),
        ({"request_id": "a\n"}, "request_id", "pattern"),
        ({"at": "2024-01-02T00:00:00"}, "at", "time_zone"),
        ({"at": "9000-01-02T00:00:00Z"}, "at", "time_range"),
        ({"label": 1}, "label", "unknown_field"),
        ({"request_id": "ok.1"}, "row", "duplicate"),
    ],
)
def test_wrong_feedback_is_refused_whole_with_its_place(entrance, change, column, rule):
    good = {"request_id": "ok.1", "truth": 1.0}
    bad = {"request_id": "ok.2", "truth": 1.0, **change}
    answer = feedback(entrance, {"feedback": [good, bad]})
    assert answer.status_code == 422
    fault = answer.json()["faults"][0]
    assert (fault["row"], fault["column"], fault["rule"]) == (1, column, rule)
    assert kept(entrance) == []


def test_feedback_that_cannot_be_kept_is_not_acknowledged(entrance):
    entrance.spool.write_text("a file where the folder should be")
    answer = feedback(entrance, {"request_id": "a", "truth": 1.0})
    assert answer.status_code == 500
    assert "spool" not in answer.text


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])  # noqa: S104 - never bound
def test_a_server_does_not_start_in_the_open_without_a_key(tmp_path, host):
    store = KeyStore(tmp_path / "keys")
    served = ServedBento("pumps:none", tmp_path, tmp_path / "log", tmp_path, host=host)
    with pytest.raises(ServingError, match="ml-assets keys create"):
        served.start()
    guarded = replace(served, keys=store.path)
    store.create("ops", ["admin"])
    with pytest.raises(ServingError, match="no key opens predict"):
        guarded.start()
    store.create("shop", ["predict"])
    with pytest.raises(ServingError, match="There is no Bento"):
        guarded.start()


# Time


def test_a_request_that_takes_too_long_is_given_up(entrance, row, monkeypatch):
    monkeypatch.setattr("bentos.predictor.door.LIMIT_SECONDS", 0.05)
    monkeypatch.setattr(entrance.serving, "submit", lambda _: asyncio.sleep(30))
    answer = predict(entrance, row)
    assert answer.status_code == 504
    assert "longer than 0.05 seconds" in answer.json()["error"]


def test_a_timeout_of_something_else_is_a_failure(entrance, row, monkeypatch):
    async def fail(_):
        raise TimeoutError

    monkeypatch.setattr(entrance.serving, "submit", fail)
    assert predict(entrance, row).status_code == 500
