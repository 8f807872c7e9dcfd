from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.storage.files import FileManifest, FileRecord
from ml_assets.storage.state import State

NOW = datetime(2024, 1, 2, tzinfo=UTC)
LANDED = FileRecord("a.csv", "1" * 64, "landed", None, 10, NOW - timedelta(days=1), NOW, NOW)


@pytest.fixture
def manifest(state: State) -> FileManifest:
    return FileManifest(state)


def test_a_record_comes_back_as_it_was(manifest: FileManifest) -> None:
    manifest.record("plant", LANDED)
    manifest.record("plant", replace(LANDED, path="b.csv"), source="labels")
    assert manifest.known("plant") == {"a.csv": LANDED}
    assert list(manifest.known("plant", "labels")) == ["b.csv"]
    assert manifest.known("mill") == {}


def test_a_restated_file_supersedes_and_history_is_kept(manifest: FileManifest) -> None:
    restated = replace(LANDED, digest="2" * 64, at=NOW + timedelta(hours=1))
    for record in (LANDED, restated, restated):
        manifest.record("plant", record)
    assert manifest.known("plant") == {"a.csv": restated}
    assert manifest.history("plant", "a.csv") == [replace(LANDED, status="superseded"), restated]


def test_a_file_set_aside_may_land_later(manifest: FileManifest) -> None:
    manifest.record("plant", replace(LANDED, status="set_aside", reason="no header", rows=None))
    manifest.record("plant", LANDED)
    assert manifest.known("plant")["a.csv"].status == "landed"
    assert manifest.history("plant", "a.csv")[0].reason == "no header"


def test_a_withdrawn_file_is_no_longer_known(manifest: FileManifest) -> None:
    manifest.record("plant", LANDED)
    manifest.record("plant", replace(LANDED, status="superseded", reason="withdrawn"))
    assert manifest.known("plant") == {}
    assert manifest.history("plant", "a.csv")[-1].reason == "withdrawn"
