"""Reference statistics: what is usual of every column, by day."""

import dagster as dg

from ml_assets.assets.describe import WrittenTable, result, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.statistics import column_statistics as statistics_of
from ml_assets.storage.workspace import Workspace


def column_statistics(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Rows, missing and distinct values, range, mean and spread of every column, by day."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "column_statistics",
            stage="data",
            kinds=["duckdb", "deltalake"],
            deps=[key_of(problem, "validated_data")],
            description=column_statistics.__doc__,
            metadata=table_metadata(declared, "column_statistics"),
        )
    )
    def _column_statistics(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        placement = place(problem, window_of(context))
        with duckdb.get_connection() as connection:
            name = table_name(declared, "validated_data")
            workspace.lake.register(connection, name, name="all_rows")
            # Statistics are by storage date: a run of one hour looks at its whole day again.
            start, end = placement.dates
            connection.execute(
                f"CREATE TEMP VIEW rows AS SELECT * FROM all_rows "
                f"WHERE _date >= DATE '{start}' AND _date < DATE '{end}'"
            )
            found = statistics_of(connection, "rows", declared.contract.contract)
        table = table_name(declared, "column_statistics")
        version = workspace.lake.replace(table, found, dates=placement.dates)
        facts = {"rows": len(found), "columns": len(declared.contract.contract.names)}
        return result(context, facts, table=WrittenTable(version, found.schema))

    return _column_statistics
