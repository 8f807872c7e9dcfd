"""Interventions and the ledger say the same, whoever is killed or comes in between."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.core.adjustment import Adjustment
from ml_assets.core.corrections import CorrectBias
from ml_assets.core.intervention import Intervention
from ml_assets.storage.adjustment_record import catch_up, enter
from ml_assets.storage.adjustments import end_intervention
from ml_assets.storage.workspace import Workspace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHIFT = Intervention("i1", CorrectBias(2.0), NOON, NOON + timedelta(days=7), NOON, "it is low")


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def told(workspace, intervention):
    adjustment = Adjustment("meters", "v1", "f" * 64, 1, NOON, intervention=intervention)
    return workspace.adjustment("meters").write(adjustment)


def events(workspace):
    return [one.event for one in workspace.ledger.entries("meters")]


def test_the_ledger_hears_later_of_what_servers_were_told(workspace):
    known = told(workspace, SHIFT)
    catch_up(workspace, known, NOON)
    catch_up(workspace, known, NOON)
    assert events(workspace) == ["intervened"]
    ended = told(workspace, None)
    catch_up(workspace, ended, NOON)
    catch_up(workspace, ended, NOON)
    assert events(workspace) == ["intervened", "intervention_ended"]


def test_what_was_entered_is_not_entered_again(workspace):
    known = told(workspace, SHIFT)
    enter(workspace, known, "intervened", "it is low", NOON)
    catch_up(workspace, known, NOON)
    end_intervention(workspace, "meters", reason="enough", now=NOON)
    catch_up(workspace, workspace.adjustment("meters").read(), NOON)
    assert events(workspace) == ["intervened", "intervention_ended"]


def test_who_ends_one_waits_for_a_look_that_has_begun(workspace):
    told(workspace, SHIFT)
    place = workspace.adjustment("meters")
    ending = threading.Thread(
        target=end_intervention,
        args=(workspace, "meters"),
        kwargs={"reason": "enough", "now": NOON},
    )
    with place.held():
        ending.start()
        ending.join(0.2)
        assert ending.is_alive()
        told(workspace, SHIFT)  # what the look has read is written before, never after
    ending.join()
    assert place.read().intervention is None
