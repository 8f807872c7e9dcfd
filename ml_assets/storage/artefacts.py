"""The store of artefacts: folders of files, named by their content, never overwritten."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from uuid import uuid4

from ml_assets.core.errors import ArtefactError, nearest
from ml_assets.storage.atomic import sync_folder
from ml_assets.storage.deleted import Deleted

MANIFEST = "manifest.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 1 << 20


class Artefacts:
    """Artefacts under one folder.

    An artefact's digest is the SHA-256 of its manifest, which holds the SHA-256 and the size of
    each file. So the same files have the same digest, and one changed byte has another.

    Args:
        root: Folder of the store; it is created at the first put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_folder(self, files: Mapping[str, bytes]) -> str:
        """Store files by name, such as ``{"model/trees.json": b"…"}``, and return the digest."""
        writers = {name: _bytes_writer(content) for name, content in files.items()}
        return self._put(writers)

    def put_path(self, path: Path) -> str:
        """Store a folder, or one file under its name, and return the digest.

        Raises:
            ArtefactError: If there is nothing to store, or a link among the files.
        """
        if not path.exists():
            message = f"{path} does not exist: there is nothing to store."
            raise ArtefactError(message)
        if path.is_file():
            return self._put({path.name: _file_writer(path)})
        found = {name: path / name for name in _file_names(path)}
        return self._put({name: _file_writer(source) for name, source in found.items()})

    def exists(self, digest: str) -> bool:
        """Say whether the artefact is stored; it is not verified."""
        return self._place(digest).is_dir()

    def folder(self, digest: str) -> Path:
        """Return the folder of an artefact after every file in it was verified.

        Raises:
            ArtefactError: If a file is missing, changed or was not stored with it.
        """
        manifest = self._manifest(digest)
        place = self._place(digest)
        names = set(_file_names(place)) - {MANIFEST}
        faults = [f"{name} is missing" for name in sorted(set(manifest) - names)]
        faults += [f"{name} does not belong to it" for name in sorted(names - set(manifest))]
        faults += [
            f"{name} was changed"
            for name in sorted(names & set(manifest))
            if _sha256(place / name) != manifest[name]["sha256"]
        ]
        if faults:
            message = (
                f"Artefact {digest} in {place} is not what was stored: {'; '.join(faults)}. "
                "Restore it from a backup, or delete the folder and make it again."
            )
            raise ArtefactError(message)
        return place

    def read_all(self, digest: str) -> dict[str, bytes]:
        """Return the verified content of every file of an artefact, by its name.

        Raises:
            ArtefactError: See :meth:`folder`.
        """
        folder = self.folder(digest)
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}

    def read_bytes(self, digest: str, name: str) -> bytes:
        """Return the verified content of one file."""
        with self.open(digest, name) as file:
            return file.read()

    def open(self, digest: str, name: str) -> BinaryIO:
        """Open one file for reading after it was verified.

        Raises:
            ArtefactError: If the artefact has no such file, or it was changed.
        """
        manifest = self._manifest(digest)
        if name not in manifest:
            message = f"Artefact {digest} has no file {name!r}. {nearest(name, manifest)}"
            raise ArtefactError(message)
        path = self._place(digest) / name
        if not path.is_file() or _sha256(path) != manifest[name]["sha256"]:
            state = "changed" if path.is_file() else "removed"
            message = f"{path} was {state} after it was stored. Restore it from a backup."
            raise ArtefactError(message)
        return path.open("rb")

    def delete_drafts(self, *, before: datetime) -> Deleted:
        """Delete drafts in which nothing has changed since a moment: their processes are dead.

        Args:
            before: Long enough ago that whoever still writes has written since.
        """
        files = size = 0
        for draft in sorted(self.root.glob(".draft-*")):
            # One that goes meanwhile was finished: it is no draft any more.
            with suppress(FileNotFoundError):
                found = [path.stat() for path in (draft, *draft.rglob("*"))]
                if max(one.st_mtime for one in found) < before.timestamp():
                    shutil.rmtree(draft)
                    contents = [one for one in found if stat.S_ISREG(one.st_mode)]
                    files, size = files + len(contents), size + sum(c.st_size for c in contents)
        return Deleted(files, size)

    def _place(self, digest: str) -> Path:
        if not DIGEST.fullmatch(digest):
            message = f"A digest is 64 hexadecimal digits; found {digest!r}."
            raise ArtefactError(message)
        return self.root / digest[:2] / digest

    def _manifest(self, digest: str) -> dict[str, dict[str, Any]]:
        path = self._place(digest) / MANIFEST
        if not path.is_file():
            message = f"Artefact {digest} is not in {self.root}: it was never stored, or is lost."
            raise ArtefactError(message)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            message = f"{path} was changed after it was stored. Restore it from a backup."
            raise ArtefactError(message)
        return json.loads(content)["files"]

    def _put(self, writers: Mapping[str, Callable[[Path], None]]) -> str:
        if not writers:
            message = "An artefact needs at least one file; none was given."
            raise ArtefactError(message)
        for name in writers:
            _check_name(name)
        with self._draft() as draft:
            for name, write in writers.items():
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path)
            content = _manifest_of(draft, sorted(writers))
            _bytes_writer(content)(draft / MANIFEST)
            for folder in {path.parent for path in draft.rglob("*")}:
                sync_folder(folder)
            digest = hashlib.sha256(content).hexdigest()
            self._publish(draft, digest)
        return digest

    def _publish(self, draft: Path, digest: str) -> None:
        place = self._place(digest)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            # The same content was stored before. What is there must still be that content.
            self.folder(digest)
        sync_folder(place.parent)

    @contextmanager
    def _draft(self) -> Iterator[Path]:
        draft = self.root / f".draft-{uuid4().hex}"
        draft.mkdir(parents=True)
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    plain = path.as_posix() == name and not path.is_absolute() and "\\" not in name
    if not plain or ".." in path.parts or name in {"", ".", MANIFEST}:
        message = (
            f"{name!r} cannot name a file of an artefact. Write a relative path such as "
            f"'model/trees.json', without '..', and not {MANIFEST!r}."
        )
        raise ArtefactError(message)


def _file_names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            message = f"{path} is a link: an artefact holds files only. Put the file itself there."
            raise ArtefactError(message)
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _manifest_of(folder: Path, names: list[str]) -> bytes:
    files = {
        name: {"sha256": _sha256(folder / name), "size": (folder / name).stat().st_size}
        for name in names
    }
    return json.dumps({"files": files}, indent=1, sort_keys=True).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _bytes_writer(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)
        _settle(path)

    return write


def _file_writer(source: Path) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        shutil.copyfile(source, path, follow_symlinks=False)
        _settle(path)

    return write


def _settle(path: Path) -> None:
    """Bring a finished file to the disk and make it read-only."""
    path.chmod(0o444)
    with path.open("rb") as file:
        os.fsync(file.fileno())
