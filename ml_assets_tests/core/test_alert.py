from datetime import UTC, datetime

import pytest

from ml_assets.core.alert import Alert
from ml_assets.core.alert_signals import ColumnChange, drift_signal
from ml_assets.core.alert_text import chat_text, email_subject, plain_text, webhook_body
from ml_assets.core.causes import CLOSED, GONE, OPENED, PAST, absorbed, occasion, without_gone
from ml_assets.core.episodes import Episode
from ml_assets.core.errors import DataError
from ml_assets_tests.core.alerts import HOUR, LOSS, START, signal

WITHIN = 4 * HOUR


def causes(*signals, known=()):
    return absorbed(known, signals, problem="plant", within=WITHIN)


def test_signals_of_one_moment_are_one_cause():
    found = causes(
        signal("drift"),
        signal("performance", 3, severity="critical", loss=LOSS),
        signal("coverage", 4),
    )
    (alert,) = found
    assert alert.kinds == ("drift", "performance", "coverage")
    assert (alert.severity, alert.since, alert.name) == ("critical", START, "drift/0")
    assert alert.next_command.endswith("# performance")


def test_what_begins_elsewhere_is_another_cause():
    assert len(causes(signal("drift", 0, until=2), signal("drift", 30))) == 2
    assert len(causes(signal("drift", 0), signal("failed_run", 0), signal("failed_run", 1))) == 3
    assert len(causes(signal("drift", 0, until=2), signal("performance", 3, until=4))) == 1
    # What goes on does not hide in what is over.
    assert len(causes(signal("drift", 0, until=2), signal("performance", 3))) == 2


def test_what_joins_an_open_cause_need_not_be_near_its_start():
    assert len(causes(signal("drift"), signal("performance", 50))) == 1
    assert len(causes(signal("drift", 50), signal("performance", 0, until=9))) == 2


def test_an_answer_of_the_system_belongs_to_what_it_answers():
    (alert,) = causes(signal("drift"), signal("rollback", 2, until=2, lasts=False))
    assert alert.until is None
    assert len(causes(signal("rollback", 2, until=2, lasts=False))) == 1


def test_the_same_signal_again_changes_its_alert():
    first = causes(signal("drift"))
    again = causes(signal("drift", until=8), known=first)
    assert [alert.until for alert in again] == [START + 8 * HOUR]
    assert causes(signal("drift", until=8), known=again) == again


def test_what_is_no_longer_found_is_over():
    known = causes(signal("drift"), signal("failed_run"))
    now = START + 9 * HOUR
    drift, run = without_gone(known, [], listed=("drift",), now=now)
    assert (drift.until, drift.signals[0].ended_by) == (now, GONE)
    assert run.until is None
    assert without_gone(known, [signal("drift")], listed=("drift",), now=now) == known


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (None, [signal()], OPENED),
        (None, [signal(until=3)], PAST),
        ([signal()], [signal()], None),
        ([signal()], [signal(severity="critical")], "severity critical"),
        ([signal(severity="critical")], [signal()], None),
        ([signal()], [signal(), signal("performance")], None),
        ([signal()], [signal(), signal("circuit_breaker")], "joined circuit_breaker/0"),
        ([signal()], [signal(until=3)], CLOSED),
        ([signal(until=3)], [signal(until=3)], None),
        (None, [signal("traffic", until=0, lasts=False)], OPENED),
        (
            [signal("traffic", until=0, lasts=False)],
            [signal("traffic", until=0, lasts=False)],
            None,
        ),
    ],
)
def test_people_are_told_when_something_changed_for_them(before, after, why):
    alerts = [
        None if signals is None else Alert(problem="plant", signals=tuple(signals))
        for signals in (before, after)
    ]
    assert occasion(*alerts) == why


def told():
    return Alert(
        problem="plant",
        signals=(signal("performance", severity="critical", loss=LOSS), signal("drift", 1)),
        change="The stiffness of the springs fell by 9 % (7 to 11 %).",
        done=("2026-03-01 07:00 UTC retraining: retrain. Drift was seen.",),
    )


def test_the_text_says_what_a_person_asks():
    assert plain_text(told()) == (
        "[critical] plant: performance in 'load' since 2026-03-01 06:00 UTC\n"
        "\nWHAT CHANGED\n"
        "  The stiffness of the springs fell by 9 % (7 to 11 %).\n"
        "  'load' shows performance.\n"
        "  'load' shows drift.\n"
        "\nSINCE WHEN\n"
        "  2026-03-01 06:00 UTC, event time.\n"
        "\nHOW SURE\n"
        "  p = 1e-9 for performance.\n"
        "  p = 1e-9 for drift.\n"
        "\nEXPECTED LOSS\n"
        "  mae 1.93 a row (95%: 1.8 to 2.07; 0.74 before; realised).\n"
        "\nDONE ALREADY\n"
        "  2026-03-01 07:00 UTC retraining: retrain. Drift was seen.\n"
        "\nNEXT\n"
        "  ml-assets status plant # performance"
    )


def test_the_closing_text_says_since_when_it_is_over():
    over = Alert(problem="plant", signals=(signal(until=8, ended_by="v2 answers"),))
    text = plain_text(over)
    assert text.startswith("[over] plant: drift in 'load' since 2026-03-01 06:00 UTC")
    assert "  Over at 2026-03-01 14:00 UTC: v2 answers." in text
    assert webhook_body(over, message="m")["state"] == "over"


def test_a_chat_sees_no_markup_of_the_data():
    hostile = Alert(
        problem="plant", signals=(signal(what="<!channel> & `x`", next_command="ml `rm`"),)
    )
    text = chat_text(hostile)
    assert "&lt;!channel&gt; &amp; `x`" in text
    assert "*Next:* `ml 'rm'`" in text


def test_a_subject_is_one_line():
    alert = Alert(problem="plant", signals=(signal(title="a\r\nBcc: x\x07" + "y" * 300),))
    subject = email_subject(alert)
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) == 150


def test_an_alert_survives_its_json():
    assert Alert.from_json(told().to_json()) == told()
    with pytest.raises(DataError, match="cannot be read"):
        Alert.from_json({"problem": "plant"})


EPISODE = Episode(
    id="plant/v1/2026-03-01T06",
    problem="plant",
    version="v1",
    opened=START,
    last_drift=START + HOUR,
    severity="retrain",
    columns=("load", "residual"),
    windows=2,
)
CHANGES = (
    ColumnChange("load", "shift", 0.31, 1e-5),
    ColumnChange("residual", "shift", 0.9, 3e-12),
)


def test_an_episode_says_how_much_and_how_sure():
    found = drift_signal(EPISODE, CHANGES, answers="v1", now=START + 5 * HOUR)
    assert (found.kind, found.severity, found.until) == ("drift", "critical", None)
    assert found.title == "drift in residual, load"
    assert found.what == (
        "'residual' moved by 0.9 standard deviations; 'load' moved by 0.31 standard deviations, "
        "under version v1."
    )
    assert "at most 3e-12" in found.sure
    assert "2 windows" in found.sure


def test_an_episode_ends_with_its_version_or_by_itself():
    now = START + 5 * HOUR
    replaced = drift_signal(EPISODE, CHANGES, answers="v2", now=now)
    assert (replaced.until, replaced.ended_by) == (now, "v2 answers instead of v1")
    closed = Episode(**{**vars(EPISODE), "closed": START + 8 * HOUR})
    assert drift_signal(closed, CHANGES, answers="v2", now=now).until == START + 8 * HOUR


def test_faulty_data_leads_to_the_data():
    fault = Episode(**{**vars(EPISODE), "severity": "data_fault"})
    change = ColumnChange("load", "missing_rate", 0.22, 0.0)
    found = drift_signal(fault, [change], answers="v1", now=START)
    assert found.kind == "data_fault"
    assert "'load' is missing in 22.00% more of the rows" in found.what
    assert found.next_command.startswith('ml-assets sql plant "SELECT')
    odd = drift_signal(
        fault, [ColumnChange('a"; rm', "shift", 1, 0.0)], answers="v1", now=datetime.now(UTC)
    )
    assert odd.next_command == "ml-assets sql plant"
