"""Raw data: the source's rows as text, placed in time."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.landing import Stream, land_window
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace


def raw_data(declared: DeclaredProblem, stream: Stream, *, files: str) -> dg.AssetsDefinition:
    """Rows as the source wrote them: every column text, with file, row number and partition.

    Nothing is dropped and nothing is guessed. Rows without a readable time stand beside their
    neighbours in the file.
    """

    @dg.asset(
        **declare(
            declared,
            stream.table,
            stage="data",
            kinds=["deltalake"],
            deps=[key_of(declared.problem, files)] if stream.comes_in_files else [],
            description=raw_data.__doc__,
        )
    )
    def _raw_data(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        name = table_name(declared, stream.table)
        with duckdb.get_connection() as connection:
            if not stream.comes_in_files:
                now = datetime.now(tz=UTC)
                land_window(connection, workspace, declared, stream, window, now=now)
            workspace.lake.register(connection, name, name="raw")
            where = place(declared.problem, window, moment="_time").where
            rows, unreadable = connection.execute(
                f"SELECT count(*), count(*) - count(event_time) FROM raw WHERE {where}"
            ).fetchall()[0]
        return dg.MaterializeResult(
            metadata={
                "dagster/table_name": name,
                "dagster/partition_row_count": rows,
                "rows": rows,
                "rows_without_a_readable_time": unreadable,
                "lake_version": workspace.lake.version(name),
            }
        )

    return _raw_data
