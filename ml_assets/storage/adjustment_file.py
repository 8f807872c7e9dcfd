"""Where a problem's adjustment is told to its servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ml_assets.core.adjustment import ADJUSTMENT_FILE, Adjustment
from ml_assets.core.errors import ServingError
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.exclusive import alone


class AdjustmentFile:
    """The file that a problem's servers look at beside the deployment.

    Args:
        folder: Folder of the deployment.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        """The file itself."""
        return self.folder / ADJUSTMENT_FILE

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other process of this machine decide about the adjustment meanwhile."""
        with alone(self.folder / "adjusting"):
            yield

    def read(self) -> Adjustment | None:
        """Return the adjustment; None if there is none, or none that can be believed."""
        try:
            return Adjustment.from_json(self.path.read_bytes())
        except (FileNotFoundError, ServingError):
            return None

    def write(self, adjustment: Adjustment) -> Adjustment:
        """Replace the adjustment, with the next number, and return what was written."""
        with alone(self.folder):
            known = self.read()
            numbered = replace(adjustment, sequence=1 + (known.sequence if known else 0))
            write_atomically(self.path, numbered.to_json().encode())
        return numbered
