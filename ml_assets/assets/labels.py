"""Labels: ground truth and the moment from which it was known."""

import dagster as dg

from ml_assets.assets.column_lineage import labels_lineage
from ml_assets.assets.describe import WrittenTable, result, rows_by_partition, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.feedback import FEEDBACK
from ml_assets.resources.engine import Engine
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
            metadata=table_metadata(declared, "labels", lineage=labels_lineage(declared)),
        )
    )
    def _labels(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        with duckdb.get_connection() as connection:
            found = labels_of(connection, workspace.lake, declared, window)
        table = table_name(declared, "labels")
        placement = place(problem, window)
        version = workspace.lake.replace(
            table, found.rows, dates=placement.dates, predicate=placement.predicate
        )
        facts = {
            "rows": len(found.rows),
            "unusable_rows": found.rejected,
            "rows_from_feedback": found.from_feedback,
        }
        counts = rows_by_partition(problem, found.rows)
        written = WrittenTable(version, found.rows.schema, counts)
        return result(context, facts, table=written)

    return _labels
