import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_assets.core.errors import ArtefactError
from ml_assets.storage.artefacts import Artefacts

FILES = {"model/trees.json": b"[1, 2]", "card.md": b"# Card"}


@pytest.fixture
def artefacts(tmp_path: Path) -> Artefacts:
    return Artefacts(tmp_path / "artefacts")


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_the_same_content_has_the_same_digest(artefacts: Artefacts, tmp_path: Path) -> None:
    digest = artefacts.put_folder(FILES)
    assert artefacts.put_folder(dict(reversed(FILES.items()))) == digest
    assert artefacts.put_folder({**FILES, "card.md": b"# card"}) != digest
    for name, content in FILES.items():
        path = tmp_path / "release" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert artefacts.put_path(tmp_path / "release") == digest
    assert (artefacts.folder(digest) / "card.md").read_bytes() == b"# Card"
    assert artefacts.read_bytes(digest, "model/trees.json") == b"[1, 2]"


def test_one_file_is_stored_under_its_name(artefacts: Artefacts, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(b"<p>")
    digest = artefacts.put_path(tmp_path / "report.html")
    assert artefacts.read_bytes(digest, "report.html") == b"<p>"
    assert artefacts.exists(digest)
    assert not artefacts.exists("0" * 64)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda folder: rewrite(folder / "card.md", b"# Cart"), "card.md was changed"),
        (lambda folder: (folder / "card.md").unlink(), "card.md is missing"),
        (lambda folder: (folder / "model" / "new").write_bytes(b""), "model/new does not belong"),
        (lambda folder: rewrite(folder / "manifest.json", b"{}"), "manifest.json was changed"),
        (lambda folder: (folder / "link").symlink_to("card.md"), "is a link"),
    ],
)
def test_what_changed_on_disk_is_refused_and_named(
    artefacts: Artefacts, change: Callable[[Path], None], names: str
) -> None:
    digest = artefacts.put_folder(FILES)
    change(artefacts.folder(digest))
    with pytest.raises(ArtefactError, match=names):
        artefacts.folder(digest)
    with pytest.raises(ArtefactError):  # and it is not taken for stored
        artefacts.put_folder(FILES)


def test_one_changed_file_is_not_read(artefacts: Artefacts) -> None:
    digest = artefacts.put_folder(FILES)
    rewrite(artefacts.folder(digest) / "card.md", b"# Cart")
    assert artefacts.read_bytes(digest, "model/trees.json") == b"[1, 2]"
    with pytest.raises(ArtefactError, match=r"card\.md was changed"):
        artefacts.read_bytes(digest, "card.md")


@pytest.mark.parametrize(
    "name", ["", ".", "/etc/x", "../x", "a/../../x", "a//b", "./a", "manifest.json", "a\\b"]
)
def test_no_name_leads_out_of_an_artefact(artefacts: Artefacts, name: str) -> None:
    with pytest.raises(ArtefactError, match="cannot name a file"):
        artefacts.put_folder({name: b""})


@pytest.mark.parametrize("digest", ["../..", "", "A" * 64])
def test_only_a_digest_finds_an_artefact(artefacts: Artefacts, digest: str) -> None:
    with pytest.raises(ArtefactError, match="64 hexadecimal"):
        artefacts.folder(digest)


def test_what_is_not_there_is_said(artefacts: Artefacts, tmp_path: Path) -> None:
    digest = artefacts.put_folder(FILES)
    with pytest.raises(ArtefactError, match=r"Did you mean 'card\.md'"):
        artefacts.read_bytes(digest, "cards.md")
    with pytest.raises(ArtefactError, match="never stored"):
        artefacts.folder("0" * 64)
    with pytest.raises(ArtefactError, match="does not exist"):
        artefacts.put_path(tmp_path / "nothing")
    with pytest.raises(ArtefactError, match="at least one file"):
        artefacts.put_folder({})


def test_only_drafts_of_processes_that_died_are_deleted(artefacts: Artefacts) -> None:
    digest = artefacts.put_folder(FILES)
    now = datetime.now(tz=UTC)
    for name, hours in (("dead", 25), ("slow", 25), ("young", 1)):
        file = artefacts.root / f".draft-{name}" / "model" / "trees.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half of it")
        for path in (file, file.parent, file.parents[1]):
            os.utime(path, ((now - timedelta(hours=hours)).timestamp(),) * 2)
    (artefacts.root / ".draft-slow" / "model" / "next.json").write_bytes(b"a minute ago")
    gone = artefacts.delete_drafts(before=now - timedelta(days=1))
    assert (gone.files, gone.size) == (1, len(b"half of it"))
    assert {path.name for path in artefacts.root.glob(".draft-*")} == {
        ".draft-slow",
        ".draft-young",
    }
    assert artefacts.folder(digest).is_dir()


def test_processes_may_put_the_same_content_at_once(
    artefacts: Artefacts, start: Callable, finish: Callable
) -> None:
    first, *others = finish(*[start("put", artefacts.root) for _ in range(3)])
    assert others == [first, first]
    assert len(list(artefacts.folder(first).iterdir())) == 21
    assert list(artefacts.root.glob(".draft*")) == []
