from datetime import UTC, datetime, timedelta

from ml_assets.storage.decisions import DecisionLog
from ml_assets.storage.state import State

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def test_decisions_are_read_newest_first_by_kind(state: State) -> None:
    log = DecisionLog(state)
    for hour, kind in enumerate(["drift", "retraining", "drift"]):
        at = NOW + timedelta(hours=hour)
        log.record("plant", kind, "none", f"{hour}", episode="e1", details={"n": hour}, at=at)
    assert [decision.reason for decision in log.recent("plant", "drift")] == ["2", "0"]
    assert [decision.reason for decision in log.recent("plant", limit=2)] == ["2", "1"]
    assert log.recent("plant")[0].details == {"n": 2}
    assert log.recent("mill") == []
