"""What the server's image installs: the pinned, hashed list that is packed with the Bento."""

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from ml_assets.core.errors import ServingError

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pinned:
    """One package of the image.

    Attributes:
        name: Its name on the package index, in lower case.
        version: The one version that is installed.
        sha256: Hashes of its files, of which one is installed.
    """

    name: str
    version: str
    sha256: tuple[str, ...]


def read_lock(path: Path) -> tuple[Pinned, ...]:
    """Return the packages that a lock installs for this Python on this system.

    Raises:
        ServingError: If an entry has no exact version or no hash.
    """
    entries = path.read_text("utf-8").replace("\\\n", " ").splitlines()
    found = []
    for entry in entries:
        text = entry.partition(" #")[0].strip()
        if not text or text.startswith("#"):
            continue
        requirement = Requirement(text.partition("--hash")[0])
        exact = [pin.version for pin in requirement.specifier if pin.operator == "=="]
        hashes = tuple(_HASH.findall(text))
        if len(exact) != 1 or not hashes:
            message = (
                f"{requirement.name} in {path} has no exact version with hashes. Run make lock."
            )
            raise ServingError(message)
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(Pinned(requirement.name.lower(), exact[0], hashes))
    return tuple(found)


def check_environment(lock: tuple[Pinned, ...]) -> None:
    """Check that the image will hold what this process runs, in which the Bento was tried.

    Raises:
        ServingError: If a package has another version here, or is not installed.
    """
    differing = []
    for pinned in lock:
        try:
            here = version(pinned.name)
        except PackageNotFoundError:
            here = "not installed"
        if here != pinned.version:
            differing.append(f"{pinned.name} (pinned {pinned.version}, here {here})")
    if differing:
        message = (
            "The image would hold other packages than those the Bento was tried with: "
            f"{', '.join(differing)}. Run make setup, and promote again."
        )
        raise ServingError(message)
