"""Both clients against a server that misbehaves."""

import asyncio
import json
import time
from datetime import UTC, datetime
from statistics import mean

import pytest

from ml_assets.client import (
    AsyncClient,
    Client,
    Refused,
    Retry,
    ServerFailed,
    Unauthorised,
    Unavailable,
    UnexpectedAnswer,
)

ROW = {"load": 40.5}
SOON = Retry(attempts=4, base=0.001, cap=0.002)
GOOD = {"request_id": "x", "version": "v1", "revision": 1, "predictions": [1.5]}
FINE = (200, {}, json.dumps(GOOD).encode())


def ask_blocking(url, **options):
    with Client(url, **{"retry": SOON, **options}) as client:
        return client.predict(ROW)


def ask_async(url, **options):
    async def ask():
        async with AsyncClient(url, **{"retry": SOON, **options}) as client:
            return await client.predict(ROW)

    return asyncio.run(ask())


@pytest.fixture(params=[ask_blocking, ask_async], ids=["blocking", "async"])
def ask(request):
    return request.param


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_with_one_request_id(scripted, ask, status):
    script = scripted((status, {}, b"busy"), (status, {}, b""), FINE)
    assert ask(script.url).predictions == (1.5,)
    assert len(script.received) == 3
    assert len({request.headers["x-request-id"] for request in script.received}) == 1
    assert len({request.body for request in script.received}) == 1


def test_a_lost_connection_is_asked_again(scripted, ask):
    script = scripted(None, FINE)
    assert ask(script.url).predictions == (1.5,)
    assert len({request.headers["x-request-id"] for request in script.received}) == 1


def test_two_calls_have_two_names(scripted):
    script = scripted(FINE, FINE)
    ask_blocking(script.url)
    ask_blocking(script.url)
    assert len({request.headers["x-request-id"] for request in script.received}) == 2


def test_at_last_it_gives_up(scripted, ask):
    script = scripted(*[(503, {}, b"")] * 4)
    with pytest.raises(Unavailable, match=r"asked 4 times.*status 503") as caught:
        ask(script.url)
    assert len(script.received) == 4
    assert (caught.value.attempts, caught.value.status) == (4, 503)
    assert caught.value.request_id == script.received[0].headers["x-request-id"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {}, b"{}"), Unauthorised),
        ((403, {}, b"{}"), Unauthorised),
        ((500, {}, b'{"error": "log"}'), ServerFailed),
        ((404, {}, b"<html>"), UnexpectedAnswer),
        ((413, {}, b'["too much"]'), UnexpectedAnswer),
        ((413, {}, b'{"error": "too much"}'), Refused),
        ((307, {"location": "http://127.0.0.1:9/"}, b""), UnexpectedAnswer),
        ((200, {}, b"<html>"), UnexpectedAnswer),
        ((200, {}, b"[]"), UnexpectedAnswer),
        ((200, {}, json.dumps({**GOOD, "predictions": [1, 2]}).encode()), UnexpectedAnswer),
    ],
    ids=["401", "403", "500", "html", "list", "413", "redirect", "page", "empty", "too many"],
)
def test_what_waiting_does_not_mend_is_asked_once(scripted, ask, answer, error):
    script = scripted(answer)
    with pytest.raises(error) as caught:
        ask(script.url)
    assert len(script.received) == 1
    assert "40.5" not in str(caught.value)


def test_the_server_says_how_long_to_wait(scripted, ask):
    script = scripted((429, {"retry-after": "1"}, b""), FINE)
    began = time.monotonic()
    ask(script.url)
    assert time.monotonic() - began >= 1.0


def test_too_long_a_wait_is_told_at_once(scripted, ask):
    script = scripted((503, {"retry-after": "3600"}, b""))
    with pytest.raises(Unavailable, match="asked once"):
        ask(script.url)


def test_silence_counts_as_unanswered(scripted):
    script = scripted()
    script.answers = _Slow([None, FINE])
    found = ask_blocking(script.url, timeout=1.0)
    assert found.predictions == (1.5,)


class _Slow(list):
    """Answers whose first takes longer than the client waits."""

    def pop(self, index):
        answer = super().pop(index)
        if answer is None:
            time.sleep(1.5)
        return answer


def test_the_key_is_a_bearer_token(scripted):
    script = scripted(FINE, FINE)
    ask_blocking(script.url, api_key="k-1")
    ask_blocking(script.url)
    assert script.received[0].headers["authorization"] == "Bearer k-1"
    assert "authorization" not in script.received[1].headers


def test_a_refused_key_is_not_repeated(scripted):
    script = scripted((401, {}, b"{}"))
    with pytest.raises(Unauthorised, match="does not accept the api_key") as caught:
        ask_blocking(script.url, api_key="k-secret")
    assert "k-secret" not in str(caught.value)


def test_feedback_names_request_row_and_truth(scripted):
    script = scripted((503, {}, b""), (202, {}, b""))
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    with Client(script.url, retry=SOON) as client:
        client.feedback("me.1", 3.25, row=2, at=at)
    assert [request.path for request in script.received] == ["/feedback", "/feedback"]
    assert json.loads(script.received[1].body) == {
        "request_id": "me.1",
        "row": 2,
        "truth": 3.25,
        "at": "2024-05-01T12:00:00+00:00",
    }


def test_an_unknown_request_id_of_feedback_is_a_refusal(scripted):
    script = scripted((404, {}, b'{"error": "No request is called so."}'))
    with Client(script.url) as client, pytest.raises(Refused, match="No request is called so"):
        client.feedback("me.1", "yes")


def test_waits_fill_the_whole_interval_and_are_capped():
    retry = Retry(attempts=99, base=0.5, cap=4.0)
    assert [retry.ceiling(n) for n in (1, 2, 3, 4, 5, 50)] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    waits = [retry.wait(5, asked=None) for _ in range(2000)]
    assert 0.0 <= min(waits) < 0.1
    assert 3.9 < max(waits) <= 4.0
    # The mean of 2000 uniform waits: standard error 4/sqrt(12*2000), 6 of them allowed.
    assert mean(waits) == pytest.approx(2.0, abs=6 * 4 / (12 * 2000) ** 0.5)


def test_the_last_attempt_waits_no_more():
    assert Retry(attempts=3).wait(3, asked=None) is None
    assert Retry(attempts=3).wait(2, asked=7.0) >= 7.0
