"""What the environment says to the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ml_assets.core.adjustment import ADJUSTMENT_FILE
from ml_assets.core.drift_notice import NOTICE_FILE

DEPLOYMENT = "ML_ASSETS_DEPLOYMENT"
SPOOL = "ML_ASSETS_SPOOL"
KEYS = "ML_ASSETS_KEYS"
PACKED_RELEASE = Path(__file__).parents[2] / "release"


@dataclass(frozen=True)
class Settings:
    """Where the server reads and writes.

    Attributes:
        deployment: File that says which release serves; None serves the packed release for good.
        spool: Folder of the prediction log.
        packed_release: Folder of the release inside the Bento.
        keys: File of API keys; it need not be there yet. None for no key at all.
    """

    deployment: Path | None
    spool: Path
    packed_release: Path = PACKED_RELEASE
    keys: Path | None = None

    @property
    def drift(self) -> Path | None:
        """File with the newest verdict on drift: it stands beside the deployment."""
        return None if self.deployment is None else self.deployment.with_name(NOTICE_FILE)

    @property
    def adjustment(self) -> Path | None:
        """File that adjusts the answers of the release that serves."""
        return None if self.deployment is None else self.deployment.with_name(ADJUSTMENT_FILE)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as unset."""
        deployment, keys = environment.get(DEPLOYMENT), environment.get(KEYS)
        return cls(
            Path(deployment) if deployment else None,
            Path(environment.get(SPOOL) or "spool"),
            keys=Path(keys) if keys else None,
        )
