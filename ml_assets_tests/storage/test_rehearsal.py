"""A rehearsal sees what live operation sees, and touches nothing of it."""

from datetime import timedelta

import numpy as np
import pytest
from rich.console import Console

from ml_assets.cli.rehearse import print_comparison
from ml_assets.core.drift import decide
from ml_assets.core.episodes import VerdictRow
from ml_assets.core.rehearsal.audit import audited_rows
from ml_assets.core.rehearsal.comparison import compare_policies
from ml_assets.core.rehearsal.fits import EXACT, Fits, Fitted
from ml_assets.core.rehearsal.live import World
from ml_assets.core.rehearsal.policies import compared_policies
from ml_assets.core.rehearsal.rehearse import rehearse
from ml_assets.reports.rehearsal import rehearsal_page
from ml_assets.storage.profiles import ProfileStore, profile_frame
from ml_assets.storage.rehearsal import ModelShelf
from ml_assets.storage.rehearsal_record import KIND, record_rehearsal
from ml_assets_tests.core.rehearsal.streams import BEGINS, DAY, past, problem, steps

CHANGE = BEGINS + 2 * DAY
DAYS = 26


@pytest.fixture(scope="module")
def rehearsed():
    declared, partitions = problem(), steps(DAYS)
    return rehearse(
        declared,
        past(change=CHANGE, days=DAYS),
        compared_policies(declared, partitions, names=["never", "on_drift"]),
        steps=partitions,
        seed=0,
        fidelity=EXACT,
    )


def test_the_isolated_ledger_and_decisions_read_like_live_ones(tmp_path, rehearsed):
    isolated = record_rehearsal(tmp_path / "alone", rehearsed)
    name = "pump/on_drift"
    isolated.ledger.verify(name)
    events = [entry.event for entry in isolated.ledger.entries(name)]
    assert events == ["trained", "promoted", "trained", "challenged", "promoted"]
    course = rehearsed.course("on_drift")
    assert isolated.ledger.champion(name).version == course.retrainings[-1].version
    assert isolated.ledger.champion(name, at=CHANGE).version == rehearsed.first
    decided = isolated.decisions.recent(name, KIND)
    assert len(decided) == len(rehearsed.steps)
    assert [one.reason for one in isolated.decisions.recent(name, KIND, outcome="retrain")] == [
        one.decision.reason for one in course.decisions if one.decision.retrain
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone"]


def test_the_same_windows_have_the_same_verdicts_as_profiles(tmp_path):
    declared, rows, partitions = problem(), past(change=CHANGE, days=DAYS), steps(DAYS)
    world = World(declared, rows, partitions, Fits({}, fidelity=EXACT, clock=float), 0)
    version = world.trial(partitions[0].start, None, None)[0].version
    service = world.service(version, partitions[0].start)
    now = partitions[3].end
    rehearsed = service.verdicts(now)
    assert [row.state for row in rehearsed].count("drift") >= 2
    live = _live_verdicts(ProfileStore(tmp_path), service, now)
    assert rehearsed == live


def _live_verdicts(store, service, now):
    """Profile each hour with whylogs and judge each window, as the monitoring job does."""
    version, declared = service.version, service.problem
    watched = (*service.past.numeric, "prediction", "residual", "absolute_residual")
    kinds = dict.fromkeys(watched, "float")
    stored = []
    start = service.since
    while start < now:
        frame = service.seen(start, start + timedelta(hours=1), now)
        content = profile_frame(frame, kinds, metadata={"problem": "pump"}, timestamp=start)
        stored.append(store.put(content, problem="pump", version="v1"))
        start += timedelta(hours=1)
    windows = store.read_windows(stored, version.reference)
    return tuple(
        VerdictRow.of(decide(version.reference, windows[: place + 1], declared.monitoring))
        for place in range(len(windows))
    )


def test_models_on_a_shelf_are_shared_by_name(tmp_path):
    shelf = ModelShelf(tmp_path)
    shelf["a"] = Fitted({"weights": [1.0]}, 0.5)
    assert ModelShelf(tmp_path)["a"].seconds == 0.5
    assert list(shelf) == ["a"]
    assert len(shelf) == 1
    assert shelf.get("b") is None
    del shelf["a"]
    assert "a" not in shelf


def test_an_audit_draws_its_share_the_same_every_time():
    declared, rows = problem(labelling={"daily_budget": 48, "audit_share": 0.5}), past(days=30)
    drawn = audited_rows(declared, rows, seed=1)
    assert 24 * 30 * 0.8 < drawn.sum() < 24 * 30 * 1.2
    assert np.array_equal(drawn, audited_rows(declared, rows, seed=1))
    assert not np.array_equal(drawn, audited_rows(declared, rows, seed=2))


def test_the_page_names_every_policy_and_the_pick(rehearsed):
    compared = compare_policies(rehearsed)
    page = rehearsal_page(rehearsed, compared, confidence=0.95, made_at=BEGINS)
    assert f"{compared.picked} is picked" in page
    for course in rehearsed.courses:
        assert f'<th scope="row">{course.policy}</th>' in page
    assert rehearsed.course("on_drift").retrainings[0].gates.model in page
    assert "undefined" not in page
    console = Console(record=True, width=200)
    print_comparison(console, rehearsed, compared)
    assert "on_drift" in console.export_text()
