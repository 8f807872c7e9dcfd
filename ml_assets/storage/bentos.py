"""Bentos: a release and the code that serves it, packed as one immutable folder."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import ml_assets
from ml_assets.core.errors import ServingError
from ml_assets.core.release import MANIFEST_FILE, digest_of
from ml_assets.storage.sbom import SBOM_FILE, bill_of_materials
from ml_assets.storage.server_lock import read_lock

BUILD_FILE = "bentos/predictor/bentofile.yaml"
BUILD_SECONDS = 300
LOCK_FILE = "predictor/requirements.lock"
_CODE = Path(ml_assets.__file__).parent
_BENTOS = _CODE.parent / "bentos"


def build_bento(release_folder: Path, *, problem: str, version: str, home: Path) -> str:
    """Pack a release, and return the tag of its Bento.

    The tag ends in a fingerprint of everything that was packed: the same content has the same
    tag, and is packed once. The build is a process of its own, which imports the packed code and
    not this process's: what is missing in the package shows here.

    Args:
        release_folder: Files of the release.
        problem: Name of the problem, which names the Bento.
        version: Name of the version.
        home: BentoML's home; the Bento is put into its store.

    Returns:
        ``<problem>:<version>-<fingerprint>``, in lower case as BentoML wants it.

    Raises:
        ServingError: If the build fails; the message ends with what BentoML said.
    """
    with TemporaryDirectory(prefix="bento-") as folder:
        staged = Path(folder)
        _stage(release_folder, staged)
        bill = _bill(release_folder, problem=problem, version=version)
        (staged / SBOM_FILE).write_bytes(bill)
        tag = f"{problem}:{version.lower()}-{_fingerprint(staged)}"
        if not bento_folder(tag, home=home).is_dir():
            _build(staged, tag, home)
    return tag


def bento_folder(tag: str, *, home: Path) -> Path:
    """Return the folder of a Bento."""
    name, _, version = tag.partition(":")
    return home / "bentos" / name / version


def packed_lock(tag: str, *, home: Path) -> Path:
    """Return the list of packages that a Bento's image installs."""
    return bento_folder(tag, home=home) / "src" / "bentos" / LOCK_FILE


def packed_bill(tag: str, *, home: Path) -> Path:
    """Return the bill of materials inside a Bento."""
    return bento_folder(tag, home=home) / "src" / SBOM_FILE


def bentoml_command(*arguments: str) -> list[str]:
    """Return a command of BentoML that runs in this Python."""
    return [sys.executable, "-m", "bentoml", *arguments]


def bentoml_environment(home: Path) -> dict[str, str]:
    """Return the environment of BentoML's processes."""
    home.mkdir(parents=True, exist_ok=True)
    # `bentoml build` looks for uv on the path; it is installed beside Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **os.environ,
        "PATH": path,
        "BENTOML_HOME": str(home.absolute()),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }


def _build(staged: Path, tag: str, home: Path) -> None:
    name, _, version = tag.partition(":")
    command = bentoml_command(
        "build", str(staged), "--bentofile", str(staged / BUILD_FILE), "--name", name
    )
    built = subprocess.run(
        [*command, "--version", version],
        env=bentoml_environment(home),
        cwd=staged,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built.returncode != 0 or not bento_folder(tag, home=home).is_dir():
        message = (
            f"The Bento {tag} could not be built:\n{built.stdout[-2000:]}{built.stderr[-2000:]}"
        )
        raise ServingError(message)


def _stage(release_folder: Path, staged: Path) -> None:
    """Bring together what the Bento holds, and nothing else."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(_BENTOS, staged / "bentos", ignore=ignored)
    shutil.copytree(_CODE / "core", staged / "ml_assets" / "core", ignore=ignored)
    shutil.copy(_CODE / "__init__.py", staged / "ml_assets" / "__init__.py")
    shutil.copytree(release_folder, staged / "release")


def _bill(release_folder: Path, *, problem: str, version: str) -> bytes:
    manifest = {MANIFEST_FILE: (release_folder / MANIFEST_FILE).read_bytes()}
    packages = read_lock(_BENTOS / LOCK_FILE)
    return bill_of_materials(problem, version, digest=digest_of(manifest), packages=packages)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _fingerprint(staged: Path) -> str:
    total = hashlib.sha256()
    for path in _files(staged):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(staged).as_posix()} {content}\n".encode())
    return total.hexdigest()[:12]
