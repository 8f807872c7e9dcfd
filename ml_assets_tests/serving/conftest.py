"""One release, one Bento and one server for all tests that need them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_assets.core.deployment import Deployment
from ml_assets.core.release import digest_of
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.bentos import build_bento
from ml_assets.storage.served_bento import ServedBento
from ml_assets_tests.serving.releases import make_release


@pytest.fixture(scope="session")
def release() -> dict[str, bytes]:
    """Files of a release with a fitted model."""
    return make_release()


@pytest.fixture(scope="session")
def other_release() -> dict[str, bytes]:
    """Files of a release that answers otherwise."""
    return make_release(version="v2", seed=2)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def serving_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="session")
def release_folder(serving_folder, release) -> Path:
    return put(serving_folder / "releases" / "v1", release)


@pytest.fixture(scope="session")
def home(serving_folder) -> Path:
    return serving_folder / "bentoml"


@pytest.fixture(scope="session")
def bento(release_folder, home) -> str:
    """Tag of a Bento that holds the release."""
    return build_bento(release_folder, problem="pumps", version="v1", home=home)


@pytest.fixture(scope="session")
def deploy() -> Callable[..., None]:
    """Announce a release as the promotion does."""

    def announce(place: Path, revision: int, folder: Path) -> None:
        files = {"manifest.json": (folder / "manifest.json").read_bytes()}
        version = json.loads((folder / "release.json").read_bytes())["version"]
        at = datetime(2024, 1, 1, tzinfo=UTC)
        value = Deployment("pumps", revision, digest_of(files), version, str(folder), at, "test")
        write_atomically(place, json.dumps(value.to_json()).encode())

    return announce


@pytest.fixture(scope="session")
def deployment(serving_folder, release_folder, deploy) -> Path:
    """The file that the server follows; it starts at revision 1."""
    place = serving_folder / "deployment.json"
    deploy(place, 1, release_folder)
    return place


@pytest.fixture(scope="session")
def server(bento, home, serving_folder, deployment):
    """A server in a process of its own."""
    log, spool = serving_folder / "server.log", serving_folder / "spool"
    with ServedBento(bento, home, log, spool, deployment=deployment) as served:
        yield served
