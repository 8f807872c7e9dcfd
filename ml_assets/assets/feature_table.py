"""Features: features.sql over all asked partitions at once."""

import dagster as dg
import pyarrow as pa

from ml_assets.assets.column_lineage import feature_lineage
from ml_assets.assets.describe import WrittenTable, result, rows_by_partition, table_metadata
from ml_assets.assets.stage import before, declare, key_of, window_of
from ml_assets.core.feature_rows import FeatureRows
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import compute_features, table_name
from ml_assets.storage.placement import date_sql, place
from ml_assets.storage.workspace import Workspace


def feature_table(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """What a model sees of each row: features.sql, the same text that the server runs."""
    problem = declared.problem
    length = problem.partitions.typical_length
    deps = [
        before(problem, "validated_data", partitions=-(-declared.history.rows // length)),
        before(problem, "labels", partitions=-(-declared.history.labels // length)),
        *(key_of(problem, f"reference_{name}") for name in problem.references),
    ]

    @dg.asset(
        **declare(
            declared,
            "feature_table",
            stage="features",
            kinds=["duckdb", "deltalake"],
            deps=deps,
            description=feature_table.__doc__,
            metadata=table_metadata(declared, "feature_table", lineage=feature_lineage(declared)),
        ),
        code_version=declared.sql_digest,
    )
    def _feature_table(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        with duckdb.get_connection() as connection:
            found = compute_features(connection, workspace.lake, declared, window)
            connection.register("found", as_arrow(found))
            rows = connection.sql(
                f"SELECT {date_sql(problem)} AS _date, * FROM found"
            ).to_arrow_table()
        name = table_name(declared, "feature_table")
        placement = place(problem, window)
        version = workspace.lake.replace(
            name, rows, dates=placement.dates, predicate=placement.predicate
        )
        missing = found.frame[list(found.numeric)].isna()
        facts = {
            "rows": len(rows),
            "numeric_features": len(found.numeric),
            "categorical_features": len(found.categorical),
            "missing_share": float(missing.mean().mean()) if missing.size else 0.0,
        }
        written = WrittenTable(version, rows.schema, rows_by_partition(problem, rows))
        return result(context, facts, table=written)

    return _feature_table


def as_arrow(found: FeatureRows) -> pa.Table:
    """Return features as a table whose types do not depend on its rows."""
    moment = pa.timestamp("us", tz="UTC")
    kinds = {"M": moment, "f": pa.float64(), "i": pa.int64(), "b": pa.bool_()}
    fields = [
        pa.field(str(name), kinds.get(found.frame[name].dtype.kind, pa.string()))
        for name in found.frame.columns
    ]
    return pa.Table.from_pandas(found.frame, schema=pa.schema(fields), preserve_index=False)
