"""One process at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine is inside the same block for ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    # The lock goes with the process that holds it, so a crash leaves none behind.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
