import json
import logging
from email import message_from_string
from email.policy import default

import pytest

from ml_assets.core.alert import Alert
from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Alerts, Email
from ml_assets.storage.notifier import EmailChannel, LogChannel, WebhookChannel, channels_of
from ml_assets_tests.core.alerts import signal
from ml_assets_tests.storage.receivers import SECRET, Letterbox, certificate, running, webhook

ALERT = Alert(problem="plant", signals=(signal(severity="critical"),))
NAMES = {"user_variable": "MAIL_USER", "password_variable": "MAIL_PASSWORD"}
SET = {"MAIL_USER": "ml", "MAIL_PASSWORD": SECRET}


@pytest.fixture
def receiver():
    with webhook() as server:
        yield server


def letterbox(context=None, *, at_once=False):
    return running(Letterbox(context, at_once=at_once))


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """What a mail server shows, and that this process trusts it."""
    context, authority = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return context


def mail(server, environment=None, **more):
    declared = {"host": "localhost", "port": server.port, "security": "none"}
    people = {"sender": "plant@example.org", "to": ["a@example.org", "b@example.org"]}
    return EmailChannel(Email(**{**declared, **people, **more}), environment or {}, timeout=5)


def test_an_alert_arrives_as_json(receiver):
    WebhookChannel(receiver.address).send(ALERT, "plant/1/opened")
    (body,) = map(json.loads, receiver.got)
    assert body["text"].startswith("*[critical] plant: drift in 'load' since 2026-03-01 06:00 UTC*")
    assert body["message"] == "plant/1/opened"
    assert body["next_command"] == "ml-assets status plant # drift"
    assert body["sections"]["How sure"] == ["p = 1e-9 for drift."]
    assert (body["cause"], body["state"], body["until"]) == ("drift/0", "open", None)


@pytest.mark.parametrize(("answers", "tries"), [([503], 2), ([500, 429], 3), ([], 1)])
def test_a_busy_receiver_is_asked_again(receiver, answers, tries):
    receiver.answers = list(answers)
    WebhookChannel(receiver.address, pause=0.01).send(ALERT, "m")
    assert len(receiver.got) == tries


@pytest.mark.parametrize(("answers", "tries"), [([404], 1), ([302], 1), ([503] * 3, 3)])
def test_a_refused_alert_is_an_error(receiver, answers, tries):
    receiver.answers = list(answers)
    with pytest.raises(DeliveryError, match=f"answered {answers[0]}"):
        WebhookChannel(receiver.address, pause=0.01).send(ALERT, "m")
    assert len(receiver.got) == tries


def test_a_receiver_that_is_not_there_is_an_error():
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 could not be reached") as caught:
        WebhookChannel(f"http://127.0.0.1:9/{SECRET}", pause=0.01).send(ALERT, "m")
    assert SECRET not in str(caught.value)


def test_the_address_is_never_shown(receiver, caplog):
    caplog.set_level(logging.DEBUG)
    channel = WebhookChannel(receiver.address, pause=0.01)
    channel.send(ALERT, "m")
    receiver.answers = [404]
    with pytest.raises(DeliveryError) as caught:
        channel.send(ALERT, "m")
    assert SECRET not in caplog.text + str(caught.value) + repr(channel)


def test_a_letter_arrives():
    with letterbox() as server:
        mail(server).send(ALERT, "plant/1/opened")
        mail(server).send(ALERT, "plant/1/opened")
        (receivers, text), (_, again) = server.letters
    letter = message_from_string(text, policy=default)
    assert receivers == ["a@example.org", "b@example.org"]
    assert letter["Subject"] == "[critical] plant: drift in 'load' since 2026-03-01 06:00 UTC"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "NEXT\n  ml-assets status plant # drift" in letter.get_content().replace("\r", "")
    assert letter["Message-ID"] == message_from_string(again, policy=default)["Message-ID"]
    assert server.logins == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_the_password_goes_encrypted_only(trusted, security, caplog):
    caplog.set_level(logging.DEBUG)
    with letterbox(trusted, at_once=security == "tls") as server:
        channel = mail(server, SET, security=security, **NAMES)
        channel.send(ALERT, "m")
        assert server.logins == [("ml", SECRET, True)]
        assert len(server.letters) == 1
    assert SECRET not in caplog.text + repr(channel)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_nobody_vouches_for_gets_nothing(tmp_path, security):
    context, _ = certificate(tmp_path)
    with letterbox(context, at_once=security == "tls") as server:
        with pytest.raises(DeliveryError, match="could not be reached"):
            mail(server, SET, security=security, **NAMES).send(ALERT, "m")
        assert (server.logins, server.letters) == ([], [])


def test_a_server_without_encryption_gets_no_password():
    with letterbox() as server:
        with pytest.raises(DeliveryError, match="STARTTLS"):
            mail(server, SET, security="starttls", **NAMES).send(ALERT, "m")
        assert server.logins == []


def test_a_refused_password_is_told_without_it(trusted):
    environment = {**SET, "MAIL_PASSWORD": "wr0ng"}
    with letterbox(trusted) as server, pytest.raises(DeliveryError) as caught:
        mail(server, environment, security="starttls", **NAMES).send(ALERT, "m")
    assert "MAIL_PASSWORD" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_a_variable_that_is_not_set_is_named(trusted):
    with letterbox(trusted) as server, pytest.raises(DeliveryError, match="MAIL_PASSWORD in the"):
        mail(server, {"MAIL_USER": "ml"}, security="starttls", **NAMES).send(ALERT, "m")


def test_what_a_mail_server_refuses_is_told():
    with letterbox() as server:
        server.refusals = {"DATA": "554 too many alerts"}
        with pytest.raises(DeliveryError, match="554 too many alerts"):
            mail(server).send(ALERT, "m")
    with pytest.raises(DeliveryError, match="could not be reached"):
        mail(server).send(ALERT, "m")


def test_one_refused_receiver_keeps_no_other_from_it(caplog):
    with letterbox() as server:
        server.refused_receiver = "b@example.org"
        mail(server).send(ALERT, "m")
        assert [receivers for receivers, _ in server.letters] == [["a@example.org"]]
    assert "refused b@example.org" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"user_variable": "U"}, "password_variable"),
        ({**NAMES, "security": "none"}, "unencrypted"),
        ({"to": []}, "to"),
        ({"sender": "plant"}, "sender"),
        ({"password": "x"}, "Did you mean 'password_variable'|Unknown field 'password'"),
    ],
)
def test_a_wrong_mail_declaration_is_refused(wrong, said):
    right = {"host": "localhost", "sender": "a@b.c", "to": ["a@b.c"]}
    with pytest.raises(ValueError, match=said):
        Email(**{**right, **wrong})


def test_the_log_is_always_told(receiver, caplog):
    assert [one.name for one in channels_of(Alerts())] == ["log"]
    email = Email(host="localhost", sender="a@b.c", to=("a@b.c",))
    declared = Alerts(webhook=receiver.address, email=email)
    assert [one.name for one in channels_of(declared)] == ["log", "webhook", "email"]
    LogChannel().send(ALERT, "plant/1/opened")
    assert "plant/1/opened\n[critical] plant: drift in 'load'" in caplog.text
