"""Labels: ground truth and the moment from which it was known."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from ml_assets.assets.describe import table_facts
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.feedback import FEEDBACK
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import labels_of, labels_stream
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace


def labels(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Ground truth by row and when it was known: nothing that learns reads it earlier."""
    problem = declared.problem
    stream = labels_stream(declared)
    upstream = key_of(problem, stream.table if stream else "validated_data")

    @dg.asset(
        **declare(
            declared,
            "labels",
            stage="labels",
            kinds=["deltalake"],
            deps=[upstream, key_of(problem, FEEDBACK)],
            description=labels.__doc__,
        )
    )
    def _labels(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: DuckDBResource,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        with duckdb.get_connection() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = labels_of(connection, workspace.lake, declared, window)
        table = table_name(declared, "labels")
        placement = place(problem, window)
        version = workspace.lake.replace(
            table, found.rows, dates=placement.dates, predicate=placement.predicate
        )
        facts = table_facts(table, version, len(found.rows), found.rows.schema)
        return dg.MaterializeResult(
            metadata={
                **facts,
                "rows": len(found.rows),
                "unusable_rows": found.rejected,
                "rows_from_feedback": found.from_feedback,
            }
        )

    return _labels
