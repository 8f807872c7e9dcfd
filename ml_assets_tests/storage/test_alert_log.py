import os
import signal as signals
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from ml_assets.core.errors import DeliveryError
from ml_assets.core.problem import Alerts
from ml_assets.storage.alert_log import CLAIM, FIRST_PAUSE, LONGEST_PAUSE, AlertLog
from ml_assets.storage.alerting import deliver, failed_key
from ml_assets.storage.state import WRITES, State, migrations
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


def test_an_old_alert_is_known_however_many_came_after(state: State) -> None:
    log = AlertLog(state)
    old = [signal("coverage", 0, until=1), signal("drift", 0, until=1)]  # one cause
    absorb(log, *old, signal("failed_run"))
    later = [signal(hours=hour, until=hour + 1) for hour in range(20, 20 * 501, 20)]
    absorb(log, *later)
    before = log.recent("plant", 1000)
    assert len(before) == 502
    assert [one.cause for one in log.open("plant")] == ["failed_run"]
    assert absorb(log, *old, *later) == []
    assert absorb(log, old[1]) == []
    assert log.recent("plant", 1000) == before
    absorb(log, signal("failed_run", until=1))
    assert log.open("plant") == []
    assert len(log.recent("plant", 1000)) == 502


class Told:
    """Says what was done about alerts, and remembers of which it was asked."""

    def __init__(self, meanwhile=lambda: None):
        self.asked, self.meanwhile = [], meanwhile

    def __call__(self, found):
        self.asked.append([alert.name for alert, _ in found])
        self.meanwhile()
        return [replace(alert, done=("looked",)) for alert, _ in found]


def test_of_what_is_over_and_unchanged_nothing_is_asked(state: State) -> None:
    log, told = AlertLog(state), Told()
    past = [signal(hours=hour, until=hour + 1) for hour in (0, 20, 40)]
    absorb(log, *past, signal(hours=60), complete=told)
    for _ in range(2):
        absorb(log, *past, signal(hours=60), complete=told)
    absorb(log, *past[:2], signal(hours=40, until=42), complete=told)
    assert told.asked == [
        ["drift/0", "drift/20", "drift/40", "drift/60"],
        ["drift/60"],
        ["drift/60"],
        ["drift/40", "drift/60"],
    ]
    assert all(one.alert.done == ("looked",) for one in log.recent("plant"))


def test_what_was_done_is_asked_while_others_may_write(state: State) -> None:
    """Another process absorbs in between: no alert comes twice, and what it wrote is kept."""
    with closing(State(state.url)) as elsewhere:
        other, between = AlertLog(elsewhere), [signal(), signal("performance", 1)]

        def meanwhile():
            if between:
                absorb(other, *between)
                between.clear()

        told = Told(meanwhile)
        absorb(AlertLog(state), signal(severity="critical"), signal(hours=90), complete=told)
    assert len(told.asked) == 2
    log = AlertLog(state)
    (one,) = log.recent("plant")
    assert (one.alert.kinds, one.severity) == (("drift", "performance"), "critical")
    assert [occasion for occasion, channel in occasions(log) if channel == "log"] == [
        "opened",
        "severity critical",
    ]


def test_an_idle_look_waits_for_no_writer(sqlite_state: State) -> None:
    log = AlertLog(sqlite_state)
    absorb(log, signal(), signal(hours=-90, until=-80))
    with (
        closing(State(sqlite_state.url)) as elsewhere,
        elsewhere.engine.execution_options(**{WRITES: True}).begin(),
    ):
        absorb(log, signal(), signal(hours=-90, until=-80))
        absorb(log)


def test_many_absorb_at_once_and_each_signal_is_in_one_alert(state: State) -> None:
    log = AlertLog(state)
    found = [signal("drift", 0), signal("performance", 1), signal("coverage", 2)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda one: absorb(log, one), found * 4))
    (one,) = log.recent("plant")
    assert sorted(one.alert.kinds) == ["coverage", "drift", "performance"]
    assert {occasion for occasion, _ in occasions(log)} == {"opened"}


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


def test_alerts_of_an_older_release_are_known_by_each_signal(state: State) -> None:
    """The migration finds the signals of alerts in their JSON, in both databases."""
    log = AlertLog(state)
    absorb(log, signal(until=2), signal("performance", 1, until=3), signal("failed_run"))
    before = log.recent("plant")
    config = migrations()
    with state.engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(sa.text("DROP TABLE alert_signals"))
        config.attributes["connection"] = connection
        command.stamp(config, "0004")
    state.migrate()
    assert absorb(log, signal("performance", 1, until=3), signal("failed_run")) == []
    assert log.recent("plant") == before
