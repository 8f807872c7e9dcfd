"""What the image of a Bento installs, and the image itself where there is a builder."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from packaging.requirements import Requirement

from ml_assets.client import Client
from ml_assets.core.errors import ServingError
from ml_assets.core.golden import GoldenRows
from ml_assets.core.release import GOLDEN_FILE, MANIFEST_FILE, digest_of
from ml_assets.storage.api_keys import KeyStore
from ml_assets.storage.bentos import bento_folder, packed_bill, packed_lock
from ml_assets.storage.images import SPOOL, build_image, find_builder
from ml_assets.storage.server_lock import Pinned, check_environment, read_lock

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "bentos" / "predictor" / "requirements.lock"
BASE_IMAGE = "ML_ASSETS_TEST_BASE_IMAGE"
READY_SECONDS = 120


def pins(path: Path) -> set[tuple[str, str]]:
    """Every name and version in a lock, for any Python and system."""
    found = re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", path.read_text("utf-8"), flags=re.MULTILINE)
    return set(found)


def test_the_server_is_pinned_as_the_project_is():
    assert pins(LOCK) <= pins(ROOT / "requirements.lock")
    service = LOCK.with_name("service.py").read_text("utf-8")
    (uv,) = re.findall(r'^UV = "uv==(.+?)"', service, flags=re.MULTILINE)
    assert ("uv", uv) in pins(ROOT / "requirements.lock")


def test_everything_the_server_imports_is_pinned():
    wanted = (LOCK.with_name("requirements.in")).read_text("utf-8").splitlines()
    names = {Requirement(line).name for line in wanted if not line.startswith("#")}
    assert names <= {name for name, _ in pins(LOCK)}


@pytest.mark.parametrize(
    "lock", ["requirements.lock", "bentos/predictor/requirements.lock", "deploy/requirements.lock"]
)
def test_a_lock_names_no_address(lock):
    text = (ROOT / lock).read_text("utf-8")
    assert not re.search(r"https?://|--index|--find-links|--extra-index", text)


def test_every_package_of_this_python_has_hashes():
    found = read_lock(LOCK)
    assert {"numpy", "bentoml"} <= {pinned.name for pinned in found}
    assert len({pinned.name for pinned in found}) == len(found)  # one version each
    assert all(pinned.sha256 for pinned in found)


@pytest.mark.parametrize("entry", ["numpy==2.4.6", "numpy>=2 --hash=sha256:" + "0" * 64])
def test_a_package_without_version_or_hash_is_refused(tmp_path, entry):
    (tmp_path / "lock").write_text(entry + "\n")
    with pytest.raises(ServingError, match=r"numpy.*no exact version with hashes"):
        read_lock(tmp_path / "lock")


def test_an_image_of_other_packages_than_were_tried_is_refused():
    here = Pinned("numpy", version("numpy"), ("0",))
    check_environment((here,))
    with pytest.raises(ServingError, match=r"numpy \(pinned 1\.0, here .*nosuch \(pinned 1"):
        check_environment((Pinned("numpy", "1.0", ()), Pinned("nosuch", "1", ())))


def test_a_bento_holds_its_lock_and_its_bill(bento, home, release):
    installed = bento_folder(bento, home=home) / "env" / "python" / "requirements.txt"
    assert pins(LOCK) <= pins(installed)
    assert not re.search(r"https?://|--index|--find-links", installed.read_text("utf-8"))
    assert packed_lock(bento, home=home).read_bytes() == LOCK.read_bytes()
    bill = json.loads(packed_bill(bento, home=home).read_bytes())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    model, *packages = sorted(bill["components"], key=lambda one: one["type"], reverse=True)
    assert (model["type"], model["name"]) == ("machine-learning-model", "pumps")
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest_of(release)}]
    named = {(one["name"], one["version"]) for one in packages}
    assert named == {(pinned.name, pinned.version) for pinned in read_lock(LOCK)}
    assert all(one["purl"].startswith("pkg:pypi/") for one in packages)


def test_the_image_needs_no_compilers(bento, home):
    built = yaml.safe_load((bento_folder(bento, home=home) / "bento.yaml").read_text("utf-8"))
    assert not any("apt-get" in command for command in built["image"]["commands"])
    assert built["image"]["base_image"].endswith("-slim")


def program(folder: Path, name: str, *, code: int, says: str = "") -> None:
    """Put a program into a folder that ends as told."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {says!r} >&2\nexit {code}\n")
    path.chmod(0o755)


def test_a_docker_without_a_daemon_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "docker", code=1, says="Is the docker daemon running?")
    with pytest.raises(
        ServingError, match=r"docker fails \(Is the docker daemon running\?\); "
    ) as no:
        find_builder()
    assert "buildah is not installed" in str(no.value)
    program(tmp_path, "podman", code=0)
    assert find_builder() == "podman"
    program(tmp_path, "buildah", code=0)
    assert find_builder() == "buildah"
    with pytest.raises(ServingError, match="docker fails"):
        find_builder("docker")


def test_a_failed_build_says_what_the_builder_said(bento, home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    program(tmp_path, "buildah", code=7, says="no space left on device")
    with pytest.raises(ServingError, match=r"image of pumps:v1-.* could not be made"):
        build_image(bento, home=home, name="localhost/x:1", builder="buildah")


def wait_until_ready(url: str, log) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(log())


def ask_golden_rows(url: str, files: dict[str, bytes], *, key: str | None = None) -> None:
    golden = GoldenRows.from_json(files[GOLDEN_FILE])
    with Client(url, api_key=key) as client:
        found = client.predict(golden.rows)
        assert found.predictions == golden.predictions
        assert client.release().digest == digest_of({MANIFEST_FILE: files[MANIFEST_FILE]})


@pytest.mark.slow
@pytest.mark.serve
def test_a_bento_serves_from_its_own_lock_alone(bento, home, release, tmp_path):
    """An environment of the packed lock, without the project, answers the golden rows."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    place = tmp_path / "venv"
    lock = bento_folder(bento, home=home) / "env" / "python" / "requirements.txt"
    python = place / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", python, "--requirement", lock]
    subprocess.run(install, check=True, timeout=280)
    log = tmp_path / "log"
    port = _free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "BENTOML_HOME": str(tmp_path / "home"),
        "ML_ASSETS_SPOOL": str(tmp_path / "spool"),
        "ML_ASSETS_DEPLOYMENT": "",
    }
    command = [python, "-m", "bentoml", "serve", bento_folder(bento, home=home)]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            cwd=tmp_path,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, log.read_text)
        ask_golden_rows(url, release)
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(30)
        psutil.wait_procs(family, timeout=30)


@pytest.mark.slow
@pytest.mark.serve
@pytest.mark.skipif(BASE_IMAGE not in os.environ, reason=f"{BASE_IMAGE} names no image")
@pytest.mark.timeout(900)
def test_the_image_answers_with_the_least_rights(bento, home, release, tmp_path):
    builder = find_builder()
    name = f"localhost/{bento}-test"
    built = build_image(
        bento, home=home, name=name, builder=builder, base_image=os.environ[BASE_IMAGE]
    )
    port, volume = _free_port(), f"test-{os.getpid()}"
    container = f"test-{os.getpid()}"
    store, served = KeyStore(tmp_path / "keys"), tmp_path / "served"
    secret = store.create("shop", ["predict", "admin"])
    served.mkdir(mode=0o755)
    (served / store.path.name).write_bytes(store.path.read_bytes())
    run, *rest = built.run_command(spool=volume, keys=served, port=port)

    def podman(*arguments: str) -> str:
        done = subprocess.run([run, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    podman("run", "--detach", "--name", container, *rest[1:])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, lambda: podman("logs", container))
        assert httpx.post(f"{url}/predict", json={}, trust_env=False).status_code == 401
        ask_golden_rows(url, release, key=secret)
        assert podman("exec", container, "id", "-u").strip() == "1034"
        assert "Read-only" in podman("exec", container, "sh", "-c", "touch /x 2>&1; true")
        assert ".jsonl" in podman("exec", container, "find", SPOOL, "-type", "f")
        bill = podman("exec", container, "cat", "/home/bentoml/bento/src/sbom.cdx.json")
        assert bill == built.bill.read_text("utf-8")
        (described,) = json.loads(podman("image", "inspect", name))
        assert "readyz" in json.dumps(described)  # the health check
    finally:
        podman("rm", "--force", container)
        podman("volume", "rm", volume)
        podman("rmi", name)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
