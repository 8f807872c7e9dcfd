from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ml_assets.storage.decisions import DecisionLog
from ml_assets.storage.label_queue import LabelQueue, LabelRequest
from ml_assets.storage.state import State

NOW = datetime(2024, 1, 2, tzinfo=UTC)
REQUEST = LabelRequest("plant", "rig_1|2024-01-01T00:00", "random_audit", 0.25, {"load": 3.5}, NOW)


def test_decisions_are_read_newest_first_by_kind(state: State) -> None:
    log = DecisionLog(state)
    for hour, kind in enumerate(["drift", "retraining", "drift"]):
        at = NOW + timedelta(hours=hour)
        log.record("plant", kind, "none", f"{hour}", episode="e1", details={"n": hour}, at=at)
    assert [decision.reason for decision in log.recent("plant", "drift")] == ["2", "0"]
    assert [decision.reason for decision in log.recent("plant", limit=2)] == ["2", "1"]
    assert log.recent("plant")[0].details == {"n": 2}
    assert log.recent("mill") == []


def test_a_row_is_asked_for_once_and_answered_once(state: State) -> None:
    queue = LabelQueue(state)
    other = replace(REQUEST, identity="rig_2|2024-01-01T00:00")
    assert queue.ask([REQUEST, other, REQUEST]) == 2
    assert queue.ask([REQUEST]) == 0
    assert queue.answer(REQUEST, "7.5", at=NOW)
    assert not queue.answer(REQUEST, "8.5", at=NOW)
    assert queue.waiting("plant") == [other]
    assert queue.answered("plant") == [replace(REQUEST, answer="7.5", answered_at=NOW)]


def test_a_row_that_could_not_be_chosen_is_refused(state: State) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="propensity"):
        LabelQueue(state).ask([replace(REQUEST, propensity=0.0)])
