"""What the environment says to the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEPLOYMENT = "ML_ASSETS_DEPLOYMENT"
SPOOL = "ML_ASSETS_SPOOL"
PACKED_RELEASE = Path(__file__).parents[2] / "release"


@dataclass(frozen=True)
class Settings:
    """Where the server reads and writes.

    Attributes:
        deployment: File that says which release serves; None serves the packed release for good.
        spool: Folder of the prediction log.
        packed_release: Folder of the release inside the Bento.
    """

    deployment: Path | None
    spool: Path
    packed_release: Path = PACKED_RELEASE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as unset."""
        deployment = environment.get(DEPLOYMENT)
        return cls(
            Path(deployment) if deployment else None, Path(environment.get(SPOOL) or "spool")
        )
