"""The workspace as a Dagster resource."""

import os
from pathlib import Path
from typing import Self

import dagster as dg
from pydantic import Field

from ml_assets.storage.workspace import Workspace


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """Hands assets the lake, the ledger and the stores of one workspace."""

    home: str = Field(default=".ml_assets", description="Folder of everything that is written.")
    lake_url: str | None = Field(default=None, description="Lake elsewhere, such as s3://bucket.")
    state_url: str | None = Field(default=None, description="SQLAlchemy URL of the decisions.")

    @classmethod
    def from_environment(cls) -> Self:
        """Read ``ML_ASSETS_HOME``, ``ML_ASSETS_LAKE`` and ``ML_ASSETS_STATE``."""
        return cls(
            home=os.environ.get("ML_ASSETS_HOME", ".ml_assets"),
            lake_url=os.environ.get("ML_ASSETS_LAKE"),
            state_url=os.environ.get("ML_ASSETS_STATE"),
        )

    def create_resource(self, context: dg.InitResourceContext) -> Workspace:
        """Open the workspace; nothing is created before it is used."""
        return Workspace(Path(self.home), lake_url=self.lake_url, state_url=self.state_url)
