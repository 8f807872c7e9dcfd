"""Files: read once by their content, set aside with a reason where they cannot be read."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.stage import declare
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.landing import Stream, land_files
from ml_assets.storage.workspace import Workspace

SHOWN = 50


def landed_files(declared: DeclaredProblem, stream: Stream, *, name: str) -> dg.AssetsDefinition:
    """Files of the source, each read once: a known content changes nothing, a new one its dates."""

    @dg.asset(
        **declare(
            declared,
            name,
            stage="data",
            kinds=["file", "deltalake"],
            description=landed_files.__doc__,
            partitioned=False,
        )
    )
    def _landed_files(
        workspace: dg.ResourceParam[Workspace], duckdb: Engine
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            records = land_files(connection, workspace, declared, stream, now=datetime.now(tz=UTC))
        landed = [record for record in records if record.status == "landed"]
        aside = [record for record in records if record.status == "set_aside"]
        return dg.MaterializeResult(
            metadata={
                "new_files": len(landed),
                "set_aside": len(aside),
                "rows": sum(record.rows or 0 for record in landed),
                "files_set_aside": dg.MetadataValue.md(
                    "\n".join(f"- `{r.path}`: {r.reason}" for r in aside[:SHOWN]) or "none"
                ),
                "files": [f"{r.path} ({r.rows} rows)" for r in landed[:SHOWN]],
            }
        )

    return _landed_files
