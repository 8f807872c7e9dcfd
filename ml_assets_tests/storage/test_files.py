from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

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


def test_the_files_of_a_landing_are_recorded_together_or_not_at_all(manifest: FileManifest) -> None:
    broken = replace(LANDED, path="b.csv", at=NOW.replace(tzinfo=None))
    with pytest.raises(sa.exc.StatementError, match="needs a time zone"):
        manifest.record("plant", LANDED, broken)
    assert manifest.known("plant") == {}


def test_changes_are_told_once_whatever_the_clock_says(manifest: FileManifest) -> None:
    manifest.record("plant", LANDED)
    first = manifest.changes("plant")
    assert first.records == (LANDED,)
    nothing = manifest.changes("plant", after=first.newest)
    assert (nothing.newest, nothing.records) == (first.newest, ())
    earlier = replace(LANDED, path="b.csv", at=NOW - timedelta(days=9))
    manifest.record("plant", earlier)
    manifest.record("plant", replace(LANDED, path="c.csv"), source="labels")
    manifest.record("mill", LANDED)
    second = manifest.changes("plant", after=first.newest)
    assert second.records == (earlier,)
    assert manifest.changes("plant", after=second.newest).records == ()


def test_a_change_tells_what_it_took_the_place_of(manifest: FileManifest) -> None:
    unread = replace(LANDED, digest="2" * 64, status="set_aside", reason="empty", rows=None)
    restated = replace(LANDED, digest="3" * 64)
    manifest.record("plant", LANDED, replace(LANDED, path="b.csv"))
    known = manifest.changes("plant").newest
    manifest.record("plant", unread)
    old = replace(LANDED, status="superseded")
    assert manifest.changes("plant", after=known).records == (old, unread)
    manifest.record("plant", restated)
    told = manifest.changes("plant", after=known).records
    assert told == (old, replace(unread, status="superseded"), restated)
