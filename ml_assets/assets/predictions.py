"""Batch predictions: the champion's answers for all rows of a partition."""

from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from ml_assets.assets.column_lineage import prediction_lineage
from ml_assets.assets.describe import WrittenTable, result, rows_by_partition, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.training import predict
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.versions import champion_version, model_of
from ml_assets.storage.workspace import Workspace


def predictions(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """What the champion says of every row of a partition, from the same features as the server."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "predictions",
            stage="serving",
            kinds=["scikitlearn", "deltalake"],
            deps=[key_of(problem, "feature_table"), key_of(problem, "deployment")],
            description=predictions.__doc__,
            metadata=table_metadata(declared, "predictions", lineage=prediction_lineage(declared)),
        )
    )
    def _predictions(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        champion = champion_version(workspace, problem.name)
        if champion is None:
            reason = "No version serves yet: materialise deployment."
            return result(context, {"rows": 0, "reason": reason})
        window = window_of(context)
        with duckdb.get_connection() as connection:
            name = table_name(declared, "feature_table")
            workspace.lake.register(connection, name, name="features")
            frame = connection.execute(
                f"SELECT * FROM features WHERE {place(problem, window).where} ORDER BY event_time"
            ).df()
        table = _answered(declared, champion.name, model_of(workspace, champion), frame)
        name, placement = table_name(declared, "predictions"), place(problem, window)
        version = workspace.lake.replace(
            name, table, dates=placement.dates, predicate=placement.predicate
        )
        facts = {"rows": len(table), "model_version": champion.name}
        written = WrittenTable(version, table.schema, rows_by_partition(problem, table))
        return result(context, facts, table=written)

    return _predictions


def _answered(declared: DeclaredProblem, version: str, model: Any, frame: pd.DataFrame) -> pa.Table:  # noqa: ANN401
    problem = declared.problem
    number = problem.task == "regression"
    values: list[Any] = []
    if len(frame):
        inputs = frame[list(model.feature_names_in_)]
        values = predict(model, inputs, problem.task).values.tolist()
    kept = frame[["_date", *problem.identity]].assign(
        prediction=values if number else [str(value) for value in values], version=version
    )
    kinds = {
        "_date": pa.date32(),
        "event_time": pa.timestamp("us", tz="UTC"),
        "prediction": pa.float64() if number else pa.string(),
        "version": pa.string(),
    }
    inferred = pa.Schema.from_pandas(kept, preserve_index=False)
    schema = pa.schema([pa.field(f.name, kinds.get(f.name, f.type)) for f in inferred])
    return pa.Table.from_pandas(kept, schema=schema, preserve_index=False)
