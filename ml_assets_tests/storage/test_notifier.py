import json
import logging
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from ml_assets.core.errors import MLAssetsError
from ml_assets.core.problem import Alerts
from ml_assets.storage.notifier import (
    Alert,
    LogNotifier,
    Notifiers,
    WebhookNotifier,
    notifier_for,
)

SECRET = "T0K3N"  # noqa: S105
ALERT = Alert(
    problem="plant",
    title="Residuals drift",
    text="Retraining starts.",
    severity="retrain",
    at=datetime(2024, 3, 1, 5, tzinfo=UTC),
    episode="plant/v3/2024-03-01T05",
    facts={"effect": 0.4},
)


@pytest.fixture
def receiver():
    """A real server that answers as told and keeps what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.answers = [], []
    server.address = f"http://127.0.0.1:{server.server_port}/hooks/{SECRET}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_alert_arrives_as_json(receiver):
    WebhookNotifier(receiver.address).notify(ALERT)
    (body,) = receiver.got
    assert json.loads(body) == {
        "problem": "plant",
        "title": "Residuals drift",
        "text": "Retraining starts.",
        "severity": "retrain",
        "at": "2024-03-01T05:00:00+00:00",
        "episode": "plant/v3/2024-03-01T05",
        "facts": {"effect": 0.4},
    }


@pytest.mark.parametrize(("answers", "tries"), [([503], 2), ([500, 429], 3), ([], 1)])
def test_a_busy_receiver_is_asked_again(receiver, answers, tries):
    receiver.answers = list(answers)
    WebhookNotifier(receiver.address, pause=0.01).notify(ALERT)
    assert len(receiver.got) == tries


@pytest.mark.parametrize(("answers", "tries"), [([404], 1), ([302], 1), ([503] * 3, 3)])
def test_a_refused_alert_is_an_error(receiver, answers, tries):
    receiver.answers = list(answers)
    with pytest.raises(MLAssetsError, match=f"answered {answers[0]}"):
        WebhookNotifier(receiver.address, pause=0.01).notify(ALERT)
    assert len(receiver.got) == tries


def test_a_receiver_that_is_not_there_is_an_error():
    with pytest.raises(MLAssetsError, match=r"127\.0\.0\.1 could not be reached") as caught:
        WebhookNotifier(f"http://127.0.0.1:9/{SECRET}", pause=0.01).notify(ALERT)
    assert SECRET not in str(caught.value)


def test_the_address_is_never_shown(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    notifier = WebhookNotifier(receiver.address, pause=0.01)
    notifier.notify(ALERT)
    receiver.answers = [404]
    with pytest.raises(MLAssetsError) as caught:
        notifier.notify(ALERT)
    assert SECRET not in caplog.text + str(caught.value) + repr(notifier)


def test_the_log_is_always_told(receiver, caplog):
    notifier_for(Alerts()).notify(ALERT)
    notifier_for(Alerts(webhook=receiver.address)).notify(ALERT)
    told = [record for record in caplog.records if record.name == "ml_assets.alerts"]
    assert len(told) == 2
    assert "plant [retrain] Residuals drift: Retraining starts." in caplog.text
    assert len(receiver.got) == 1


def test_the_log_is_told_before_a_webhook_can_fail(caplog):
    each = (LogNotifier(), WebhookNotifier("http://127.0.0.1:9/", attempts=1))
    with pytest.raises(MLAssetsError):
        Notifiers(each).notify(ALERT)
    assert "Residuals drift" in caplog.text
