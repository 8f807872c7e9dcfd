import os
import signal as signals
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Alerts
from ml_assets.storage.alert_log import CLAIM, FIRST_PAUSE, LONGEST_PAUSE, AlertLog
from ml_assets.storage.alerting import deliver, failed_key
from ml_assets.storage.state import State
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.core.alerts import HOUR, signal
from ml_assets_tests.storage.receivers import webhook

NOW = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROOT = Path(__file__).parents[2]


def absorb(log, *found, problem="plant", now=NOW, **more):
    asked = {"within": 4 * HOUR, "channels": ["log", "webhook"], **more}
    return log.absorb(problem, found, now=now, **asked)


class Outlet:
    """A channel in memory that fails as long as it is told to."""

    fault = "closed"

    def __init__(self, name, *, broken=False):
        self.name, self.broken, self.got = name, broken, []

    def send(self, alert, message):
        if self.broken:
            raise DeliveryError(self.fault)
        self.got.append((message, alert.title))


def occasions(log, problem="plant"):
    return [(m.occasion, m.channel) for m in log.messages(problem)]


def test_one_cause_is_one_alert_and_repeats_say_nothing(state: State) -> None:
    log = AlertLog(state)
    assert len(absorb(log, signal(), signal("performance", 1))) == 1
    assert absorb(log, signal(), signal("performance", 1)) == []
    assert absorb(log, signal(), problem="mill") != []
    (one,) = log.recent("plant")
    assert (one.cause, one.episode, one.closed_at) == ("drift, performance", "drift/0", None)
    assert one.alert.kinds == ("drift", "performance")
    assert one.text.startswith("[warn] plant: performance in 'load'")
    assert occasions(log) == [("opened", "log"), ("opened", "webhook")]


def test_it_gets_worse_and_is_over_once_each(state: State) -> None:
    log = AlertLog(state)
    absorb(log, signal())
    for _ in range(2):
        absorb(log, signal(severity="critical"))
    for _ in range(2):
        absorb(log, signal(severity="critical", until=9), now=NOW + HOUR)
    assert [o for o, channel in occasions(log) if channel == "log"] == [
        "opened",
        "severity critical",
        "closed",
    ]
    assert log.recent("plant")[0].closed_at == NOW + HOUR
    assert log.open("plant") == []
    absorb(log, signal("drift", 50))
    assert len(log.recent("plant")) == 2


def test_what_was_over_when_first_seen_is_kept_and_only_logged(state: State) -> None:
    log = AlertLog(state)
    absorb(log, *(signal("drift", hour, until=hour + 1) for hour in range(0, 400, 20)))
    assert len(log.recent("plant")) == 20
    assert {channel for _, channel in occasions(log)} == {"log"}


def test_what_is_no_longer_found_closes(state: State) -> None:
    log = AlertLog(state)
    absorb(log, signal(), signal("failed_run"))
    absorb(log, listed=("drift",), event_time=NOW + HOUR)
    closed, failing = sorted(log.recent("plant"), key=lambda one: one.cause)
    assert closed.alert.until == NOW + HOUR
    assert failing.closed_at is None


def test_a_message_is_sent_by_one_and_only_once(state: State) -> None:
    log = AlertLog(state)
    absorb(log, signal())
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: log.claim("plant", ["webhook"], now=NOW), range(4)))
    (message,) = [one for one in taken if one is not None]
    log.delivered(message, at=NOW)
    assert log.claim("plant", ["webhook"], now=NOW + CLAIM) is None


def test_a_claim_that_came_to_nothing_is_taken_again(state: State) -> None:
    log = AlertLog(state)
    absorb(log, signal())
    first = log.claim("plant", ["webhook"], now=NOW)
    assert log.claim("plant", ["webhook"], now=NOW + CLAIM - MINUTE) is None
    assert log.claim("plant", ["webhook"], now=NOW, at_once=True) is None  # another has it
    again = log.claim("plant", ["webhook"], now=NOW + CLAIM)
    assert (again.id, again.name, again.attempts) == (first.id, "plant/1/opened", 1)


def test_a_pause_doubles_up_to_an_hour(state: State) -> None:
    log = AlertLog(state)
    absorb(log, signal())
    now, pauses = NOW, []
    for _ in range(9):
        message = log.claim("plant", ["webhook"], now=now)
        log.failed(message, "closed", at=now)
        pauses.append(log.messages("plant")[1].next_at - now)
        assert log.claim("plant", ["webhook"], now=now + pauses[-1] / 2) is None
        now += pauses[-1]
    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(9)]
    assert log.messages("plant")[1].attempts == 9


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def sent(workspace, *outlets, now=NOW, **more):
    return deliver(workspace, "plant", Alerts(), now=now, channels=outlets, **more)


def test_one_broken_channel_holds_no_other_up_and_loses_nothing(workspace) -> None:
    log, webhook = Outlet("log"), Outlet("webhook", broken=True)
    absorb(workspace.alerts, signal(), signal("failed_run"))
    first = sent(workspace, log, webhook)
    assert (first.delivered, first.faults) == (2, {"webhook": "closed"})
    absorb(workspace.alerts, signal(until=9), now=NOW + MINUTE)
    webhook.broken = False
    assert sent(workspace, log, webhook, now=NOW + 10 * MINUTE).delivered == 4
    assert [message for message, _ in webhook.got] == [
        "plant/1/opened",
        "plant/2/opened",
        "plant/1/closed",
    ]
    assert webhook.got[0][1].startswith("[warn]")
    assert sent(workspace, log, webhook, now=NOW + HOUR).delivered == 0


def test_the_end_is_not_told_before_the_beginning(workspace) -> None:
    webhook = Outlet("webhook", broken=True)
    absorb(workspace.alerts, signal())
    sent(workspace, webhook)
    absorb(workspace.alerts, signal(until=9))
    webhook.broken = False
    assert sent(workspace, webhook).delivered == 0  # the beginning waits for its pause
    assert sent(workspace, webhook, at_once=True).delivered == 2
    assert [message for message, _ in webhook.got] == ["plant/1/opened", "plant/1/closed"]


def test_failures_in_a_row_are_one_cause(workspace) -> None:
    for run in ("r1", "r2"):
        key = failed_key(workspace.alerts, "plant", "plant_training", run)
        absorb(workspace.alerts, signal("failed_run", key=key))
    assert failed_key(workspace.alerts, "plant", "plant_data", "r3").endswith("plant_data/r3")
    (one,) = workspace.alerts.recent("plant")
    absorb(workspace.alerts, one.alert.signals[0].ended(NOW, "mended"))
    assert failed_key(workspace.alerts, "plant", "plant_training", "r4").endswith("/r4")


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from ml_assets.core.problem import Alerts
from ml_assets.storage.alerting import deliver
from ml_assets.storage.workspace import Workspace
import ml_assets.storage.notifier as notifier

class Killed:
    name = "webhook"
    def send(self, alert, message):
        if "{before}" == "yes":
            os.kill(os.getpid(), signal.SIGKILL)
        notifier.WebhookChannel("{address}").send(alert, message)
        os.kill(os.getpid(), signal.SIGKILL)

now = datetime.fromisoformat("{now}")
deliver(Workspace(Path("{home}")), "plant", Alerts(), now=now, channels=[Killed()])
"""


@pytest.mark.parametrize(("before", "times"), [("yes", 1), ("no", 2)])
def test_killed_on_the_way_nothing_is_lost(workspace, before, times) -> None:
    absorb(workspace.alerts, signal())
    with webhook() as server:
        code = textwrap.dedent(KILLED).format(
            before=before, address=server.address, now=NOW.isoformat(), home=workspace.home
        )
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), check=False
        )
        assert ended.returncode == -signals.SIGKILL
        declared = Alerts(webhook=server.address)
        assert deliver(workspace, "plant", declared, now=NOW + MINUTE).delivered == 1  # the log
        assert deliver(workspace, "plant", declared, now=NOW + CLAIM).delivered == 1
        assert len(server.got) == times
        assert len(set(server.got)) == 1  # under one name: a receiver can tell
