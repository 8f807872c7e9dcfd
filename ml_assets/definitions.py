"""The one place Dagster loads."""

import warnings
from pathlib import Path

import dagster as dg

from ml_assets.resources.engine import Engine
from ml_assets.resources.workspace import WorkspaceResource

# Dagster copies each check while it loads, and warns itself of an argument that it then uses.
warnings.filterwarnings("ignore", "Parameter `execution_type`", dg.BetaWarning)


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
