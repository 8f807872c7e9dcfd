"""Reference tables: what is true of an entity at all times."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ml_assets.assets.describe import WrittenTable, result, table_metadata
from ml_assets.assets.stage import declare
from ml_assets.core.window import Window
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.references import type_reference
from ml_assets.storage.sources import FileSource, open_source
from ml_assets.storage.workspace import Workspace


def reference_table(declared: DeclaredProblem, name: str) -> dg.AssetsDefinition:
    """A small table that features.sql joins by key: what does not change with time."""
    reference = declared.problem.references[name]

    @dg.asset(
        **declare(
            declared,
            f"reference_{name}",
            stage="data",
            kinds=["deltalake"],
            description=reference_table.__doc__,
            metadata=table_metadata(declared, f"reference_{name}"),
            partitioned=False,
        )
    )
    def _reference_table(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        opened = open_source(reference.source, root=Path.cwd(), cache=workspace.cache)
        with duckdb.get_connection() as connection:
            if isinstance(opened, FileSource):
                for file in opened.found():
                    opened.read_file(connection, file, name=name)
            else:
                now = datetime.now(tz=UTC)
                connection.register(name, opened.rows(Window(now, now)))
            rows = connection.sql(type_reference(connection, name, reference)).to_arrow_table()
        table = table_name(declared, f"reference_{name}")
        version = workspace.lake.replace(table, rows)
        return result(context, {"rows": len(rows)}, table=WrittenTable(version, rows.schema))

    return _reference_table
