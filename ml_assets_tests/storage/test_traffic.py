"""Who serves and who is tried beside: moves in the ledger, and what servers are told."""

from datetime import timedelta
from pathlib import Path

import pytest

from ml_assets.core.errors import ArtefactError, LedgerError
from ml_assets.storage.serving_state import announce, serving_at
from ml_assets.storage.traffic import Part, change_traffic, end_traffic, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.storage.stored_versions import START, package

CANARY, WIDER = Part("canary", 0.1, 0), Part("canary", 0.5, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def names(workspace: Workspace) -> list[str]:
    """Three packaged versions; the first one serves."""
    made = [package(workspace, "plant", seed) for seed in range(3)]
    serve(workspace, made[0], hour=0)
    return made


def serve(workspace: Workspace, name: str, *, hour: int, event: str = "promoted") -> None:
    deploy(workspace, "plant", name, event=event, reason="", now=START + timedelta(hours=hour))


def start(workspace: Workspace, name: str, part: Part = CANARY, *, hour: int = 1):
    at = START + timedelta(hours=hour)
    return start_traffic(
        workspace, "plant", name, part, reason="test", routing_key=("rig",), now=at
    )


def change(workspace: Workspace, part: Part, *, hour: int, follows: int | None = None):
    at = START + timedelta(hours=hour)
    return change_traffic(workspace, "plant", part, reason="test", now=at, follows=follows)


def end(workspace: Workspace, *, hour: int):
    at = START + timedelta(hours=hour)
    return end_traffic(workspace, "plant", outcome="inconclusive", reason="test", now=at)


def test_traffic_is_an_entry_and_a_revision(workspace, names):
    champion, challenger, _ = names
    told = start(workspace, challenger)
    assert workspace.deployment("plant").read() == told
    assert (told.revision, told.mode, told.share) == (2, "canary", 0.1)
    assert (told.champion_version, told.challenger.version) == (champion, challenger)
    assert Path(told.challenger.release_folder, "release.json").read_text() == "1"
    assert told.routing_key == ("rig",)
    wider = change(workspace, WIDER, hour=2)
    assert (wider.revision, wider.share) == (3, 0.5)
    assert wider.experiment == told.experiment
    shadow = change(workspace, Part("shadow", 0.0), hour=3)
    assert (shadow.mode, shadow.challenger, shadow.shadow) == ("shadow", None, wider.challenger)
    ended = end(workspace, hour=4)
    assert (ended.revision, ended.mode, ended.contender) == (5, "champion", None)
    assert ended.champion_version == champion
    workspace.ledger.verify("plant")


def test_a_second_experiment_has_another_salt(workspace, names):
    first = start(workspace, names[1]).experiment
    end(workspace, hour=2)
    assert start(workspace, names[1], hour=3).experiment != first


def test_what_served_is_known_for_every_moment(workspace, names):
    start(workspace, names[1], hour=1)
    change(workspace, WIDER, hour=2)
    serve(workspace, names[1], hour=3)
    serve(workspace, names[0], hour=4, event="rolled_back")
    entries = workspace.ledger.entries("plant")

    def answered(hours: float):
        state = serving_at(entries, START + timedelta(hours=hours))
        beside = state and state.traffic
        return state and (state.champion.version, beside and (beside.version, beside.share))

    assert answered(-1) is None
    assert answered(0.5) == (names[0], None)
    assert answered(1.5) == (names[0], (names[1], 0.1))
    assert answered(2.5) == (names[0], (names[1], 0.5))
    assert answered(3.5) == (names[1], None)
    assert answered(4.5) == (names[0], None)
    assert serving_at(entries).revision == workspace.deployment("plant").read().revision == 5


def test_moves_that_cannot_be_are_refused(workspace, names):
    champion, challenger, other = names
    for refused, why in (
        (lambda: start(workspace, champion), "it serves"),
        (lambda: change(workspace, WIDER, hour=1), "Start one"),
        (lambda: end(workspace, hour=1), "Start one"),
        (lambda: start(workspace, "nothing"), "has no version 'nothing'"),
        (lambda: start(workspace, package(workspace, "plant", 9, packed=False)), "never packaged"),
    ):
        with pytest.raises(LedgerError, match=why):
            refused()
    start(workspace, challenger)
    with pytest.raises(LedgerError, match="in traffic already"):
        start(workspace, other)
    with pytest.raises(LedgerError, match=f"{challenger} is in traffic"):
        workspace.ledger.record("plant", "traffic_ended", other, reason="", at=START)
    assert workspace.deployment("plant").read().revision == 2


def test_nothing_is_tried_before_something_serves(workspace):
    name = package(workspace, "plant", 0)
    with pytest.raises(LedgerError, match="nothing serves yet"):
        start(workspace, name)


@pytest.mark.parametrize(("mode", "share"), [("shadow", 0.1), ("canary", 0.0), ("ab", 1.5)])
def test_a_share_has_to_fit_its_mode(mode, share):
    with pytest.raises(LedgerError, match="does not go with mode"):
        Part(mode, share)


def test_a_decision_from_an_older_state_is_refused(workspace, names):
    start(workspace, names[1])
    seen = serving_at(workspace.ledger.entries("plant")).newest.sequence
    workspace.ledger.record("plant", "trained", "another", reason="", at=START)
    change(workspace, WIDER, hour=2, follows=seen)
    for _ in range(2):
        with pytest.raises(LedgerError, match="Decide again"):
            change(workspace, WIDER, hour=3, follows=seen)
    assert workspace.deployment("plant").read().revision == 3


def test_a_withdrawn_challenger_waits_no_longer(workspace, names):
    start(workspace, names[2])
    assert workspace.ledger.challenger("plant").version == names[2]
    end(workspace, hour=2)
    assert workspace.ledger.challenger("plant") is None


def test_what_servers_were_not_told_is_told_later(workspace, names):
    """A process that dies after its entry leaves the deployment behind; the next one mends it."""
    start(workspace, names[1])
    told = workspace.deployment("plant").read()
    workspace.deployment("plant").path.unlink()
    assert announce(workspace, "plant") == told
    assert announce(workspace, "plant") == told
    assert workspace.deployment("plant").read() == told


def test_a_changed_release_is_not_announced(workspace, names):
    release = workspace.ledger.champion("plant").details["release"]
    (workspace.artefacts.folder(release) / "release.json").write_text("other")
    with pytest.raises(ArtefactError, match="is not what was stored"):
        start(workspace, names[1])
