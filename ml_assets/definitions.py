"""The one place Dagster loads."""

from pathlib import Path

import dagster as dg

from ml_assets.resources.engine import Engine
from ml_assets.resources.workspace import WorkspaceResource


@dg.definitions
def defs() -> dg.Definitions:
    """Merge every declared problem with the resources they share."""
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(
            resources={
                "workspace": WorkspaceResource.from_environment(),
                "duckdb": Engine(),
            },
            # A step process costs seconds and a step milliseconds: parallelism is inside training.
            executor=dg.in_process_executor,
        ),
    )
