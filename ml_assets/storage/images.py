"""Container images: a Bento, built by BentoML with the builder that is there, and sealed.

BentoML's image is given what a careful operator asks for and BentoML does not write: a health
check, a user by number (Kubernetes does not believe names), folders that fit a read-only root, and
labels that say what is inside.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from ml_assets.core.api_keys import KEYS_FILE
from ml_assets.core.errors import ServingError
from ml_assets.storage.bentos import (
    bento_folder,
    bentoml_command,
    bentoml_environment,
    packed_bill,
    packed_lock,
)
from ml_assets.storage.sbom import SBOM_FILE
from ml_assets.storage.server_lock import check_environment, read_lock

BuilderName = Literal["docker", "buildah", "podman"]
BUILDERS: Mapping[BuilderName, Sequence[str]] = {
    "docker": ("docker", "version"),  # fails without a daemon
    "buildah": ("buildah", "version"),
    "podman": ("podman", "version"),
}
BUILD_SECONDS = 1800
PROBE_SECONDS = 30
USER = 1034  # BentoML's user `bentoml`
SPOOL = "/srv/spool"
KEYS = "/srv/keys"
SBOM_PLACE = f"/home/bentoml/bento/src/{SBOM_FILE}"
_HEALTH = (
    "import os, urllib.request; port = os.environ.get('BENTOML_PORT', '3000'); "
    "urllib.request.urlopen(f'http://127.0.0.1:{port}/readyz', timeout=2)"
)


@dataclass(frozen=True)
class Image:
    """An image that was built.

    Attributes:
        name: Its name and tag in the builder's store.
        builder: Program that built and holds it.
        bill: File of its bill of materials; the image holds the same file.
        packages: How many packages it installs.
    """

    name: str
    builder: BuilderName
    bill: Path
    packages: int

    @property
    def runner(self) -> str:
        """Program that runs it."""
        return "docker" if self.builder == "docker" else "podman"

    def run_command(self, *, spool: str, keys: Path, port: int = 3000) -> list[str]:
        """Return the command that runs the image with the least rights.

        Args:
            spool: Volume that keeps the prediction log.
            keys: Folder of the file of keys, which the user of the container can read.
            port: Port on this machine.
        """
        return [
            *(self.runner, "run", "--rm", "--read-only", "--tmpfs", "/tmp:rw,mode=1777"),  # noqa: S108
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--publish", f"127.0.0.1:{port}:3000", "--volume", f"{spool}:{SPOOL}"),
            # A folder, not the file: that one is replaced as a whole when a key is made.
            *("--volume", f"{keys}:{KEYS}:ro", "--env", f"ML_ASSETS_KEYS={KEYS}/{KEYS_FILE}"),
            self.name,
        ]


def find_builder(wanted: BuilderName | None = None) -> BuilderName:
    """Return the builder that works here: the wanted one, or the first of all.

    Raises:
        ServingError: If there is none.
    """
    found = {}
    for name in [wanted] if wanted else BUILDERS:
        found[name] = _state(BUILDERS[name])
        if found[name] == "works":
            return name
    told = "; ".join(f"{name} {state}" for name, state in found.items())
    message = (
        f"No image can be built here: {told}. Install one (on Debian: apt-get install buildah), or "
        "start Docker's daemon. The Bento itself serves without an image: ml-assets serve."
    )
    raise ServingError(message)


def build_image(
    tag: str,
    *,
    home: Path,
    name: str,
    builder: BuilderName,
    base_image: str | None = None,
    options: Sequence[str] = (),
) -> Image:
    """Build the image of a Bento.

    Args:
        tag: Tag of the Bento.
        home: BentoML's home, which holds it.
        name: Name and tag of the image.
        builder: Program that builds.
        base_image: Image to build on; by default the official slim Python. It needs Python of the
            Bento's version with pip.
        options: Options of the builder, each ``name`` or ``name=value``.

    Raises:
        ServingError: If the build fails, or the image would not hold what the Bento was tried with.
    """
    lock = read_lock(packed_lock(tag, home=home))
    check_environment(lock)
    environment = {
        # Build steps then need no rights of their own, inside another container neither.
        "BUILDAH_ISOLATION": "chroot",
        **bentoml_environment(home),
    }
    raw = f"{name}-bento"
    given = [*_base_options(tag, home, builder, base_image), *options]
    asked = [part for option in given for part in ("--opt", option)]
    _run(
        bentoml_command("containerize", tag, "--backend", builder, "--image-tag", raw, *asked),
        environment,
        what=f"The image of {tag}",
    )
    bill = packed_bill(tag, home=home)
    try:
        _seal(raw, name=name, tag=tag, bill=bill, builder=builder, environment=environment)
    finally:
        _run([builder, "rmi", raw], environment, what=f"The intermediate image {raw}")
    return Image(name, builder, bill, len(lock))


def _state(probe: Sequence[str]) -> str:
    if shutil.which(probe[0]) is None:
        return "is not installed"
    try:
        done = subprocess.run(
            [*probe], capture_output=True, timeout=PROBE_SECONDS, check=False, text=True
        )
    except subprocess.TimeoutExpired:
        return "does not answer"
    if done.returncode == 0:
        return "works"
    said = done.stderr.strip().splitlines()
    return f"fails ({said[-1] if said else f'exit code {done.returncode}'})"


def _base_options(tag: str, home: Path, builder: BuilderName, base_image: str | None) -> list[str]:
    if base_image is None:
        return []
    if builder != "docker":
        return [f"from={base_image}"]
    recipe = bento_folder(tag, home=home) / "env" / "docker" / "Dockerfile"
    lines = recipe.read_text("utf-8").splitlines()
    named = next(line.split()[1] for line in lines if line.startswith("FROM "))
    return [f"build-context={named}=docker-image://{base_image}"]


def _seal(
    raw: str,
    *,
    name: str,
    tag: str,
    bill: Path,
    builder: BuilderName,
    environment: Mapping[str, str],
) -> None:
    problem, _, version = tag.partition(":")
    labels = {
        "org.opencontainers.image.title": problem,
        "org.opencontainers.image.version": version,
        "ml_assets.sbom": SBOM_PLACE,
        "ml_assets.sbom.sha256": sha256(bill.read_bytes()).hexdigest(),
    }
    lines = [
        f"FROM {raw}",
        f"COPY --chown={USER}:{USER} spool {SPOOL}/",
        # Below /tmp lies all that the server writes besides its log: the root may be read-only.
        f"ENV ML_ASSETS_SPOOL={SPOOL} BENTOML_HOME=/tmp/bentoml",
        *(f"LABEL {key}={json.dumps(value)}" for key, value in labels.items()),
        f"USER {USER}:{USER}",
        "HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 "
        f"CMD {json.dumps(['python', '-c', _HEALTH])}",
    ]
    # Only the Docker format knows health checks.
    kind = [] if builder == "docker" else ["--format", "docker"]
    with TemporaryDirectory(prefix="image-") as folder:
        (Path(folder) / "spool").mkdir()
        recipe = Path(folder) / "Containerfile"
        recipe.write_text("\n".join(lines) + "\n")
        command = [builder, "build", *kind, "--file", str(recipe), "--tag", name, folder]
        _run(command, environment, what=f"The sealed image {name}")


def _run(command: Sequence[str], environment: Mapping[str, str], *, what: str) -> None:
    done = subprocess.run(
        [*command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        message = f"{what} could not be made by {command[0]}:\n{done.stdout[-3000:]}"
        raise ServingError(message)
