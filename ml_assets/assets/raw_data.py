"""Raw data: the source's rows as text, placed in time."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.describe import WrittenTable, result, table_metadata
from ml_assets.assets.stage import KEY_FORMATS, declare, key_of, window_of
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
            metadata=table_metadata(declared, stream.table),
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
            every = declared.problem.partitions.every
            where = place(declared.problem, window, moment="_time").where
            found = connection.execute(
                f"SELECT date_trunc('{every}', _time), count(*), count(event_time) "
                f"FROM raw WHERE {where} GROUP BY ALL"
            ).fetchall()
            schema = connection.sql("SELECT * FROM raw LIMIT 0").to_arrow_table().schema
        rows = {f"{start:{KEY_FORMATS[every]}}": count for start, count, _ in found}
        facts = {
            "rows": sum(rows.values()),
            "rows_without_a_readable_time": sum(count - timed for _, count, timed in found),
        }
        return result(
            context, facts, table=WrittenTable(workspace.lake.version(name), schema, rows)
        )

    return _raw_data
