"""Servers are told of the newest verdict on drift, and of no older one."""

from datetime import UTC, datetime

import pytest

from ml_assets.assets.drift_report import notify_servers
from ml_assets.core.drift import DriftVerdict
from ml_assets.core.drift_notice import NOTICE_FILE, DriftNotice
from ml_assets.storage.drift_reports import Judgement
from ml_assets_tests.journeys.test_files import runner

__all__ = ["runner"]


def judged(hour, state):
    start = datetime(2024, 1, 1, hour, tzinfo=UTC)
    return Judgement("v1", DriftVerdict(start, 300, state, None, (), (), ()))


@pytest.fixture
def told(runner):
    place = runner.workspace.deployment("meters").path.with_name(NOTICE_FILE)

    def tell(*judgements):
        notify_servers(runner.workspace, runner.declared, list(judgements))
        return DriftNotice.from_json(place.read_bytes()) if place.is_file() else None

    return tell


def test_the_newest_window_counts(told):
    assert told() is None
    assert told(judged(1, "quiet"), judged(2, "drift")).state == "drift"
    older = told(judged(1, "quiet"))
    assert (older.state, older.window_end) == ("drift", datetime(2024, 1, 1, 3, tzinfo=UTC))
    assert told(judged(2, "quiet")).state == "quiet"
