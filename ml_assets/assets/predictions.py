"""Batch predictions: the champion's answers for all rows of a partition."""

from datetime import UTC, datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from ml_assets.assets.column_lineage import prediction_lineage
from ml_assets.assets.describe import WrittenTable, result, rows_by_partition, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.batch_answers import batch_answers
from ml_assets.core.problem import Problem
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.served_answers import served_answers
from ml_assets.storage.versions import champion_version
from ml_assets.storage.workspace import Workspace


def predictions(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """What the champion's servers would say of every row of a partition, with its interval."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "predictions",
            stage="serving",
            pool="predictions",
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
        if champion is None or champion.release is None:
            reason = "No version serves yet: materialise deployment."
            return result(context, {"rows": 0, "reason": reason})
        window = window_of(context)
        with duckdb.get_connection() as connection:
            name = table_name(declared, "feature_table")
            workspace.lake.register(connection, name, name="features")
            frame = connection.execute(
                f"SELECT * FROM features WHERE {place(problem, window).where} ORDER BY event_time"
            ).df()
        release, answering = served_answers(workspace, champion.release, now=datetime.now(UTC))
        names = release.feature_names
        inputs = names.values({name: frame[name].to_numpy() for name in names.all}, len(frame))
        answers = batch_answers(answering, inputs, problem.task)
        table = _table(problem, frame, answers, version=champion.name)
        name, placement = table_name(declared, "predictions"), place(problem, window)
        version = workspace.lake.replace(
            name, table, dates=placement.dates, predicate=placement.predicate
        )
        facts = {
            "rows": len(table),
            "model_version": champion.name,
            "refused": len(table) - answers.column("refusal").null_count,
        }
        written = WrittenTable(version, table.schema, rows_by_partition(problem, table))
        return result(context, facts, table=written)

    return _predictions


def _table(problem: Problem, frame: pd.DataFrame, answers: pa.Table, *, version: str) -> pa.Table:
    """Return each row's identity, the answer and what is said beside it, as the lake keeps them."""
    kept = frame[["_date", *problem.identity]].assign(version=version)
    kinds = {
        "_date": pa.date32(),
        "event_time": pa.timestamp("us", tz="UTC"),
        "version": pa.string(),
    }
    inferred = pa.Schema.from_pandas(kept, preserve_index=False)
    schema = pa.schema([pa.field(f.name, kinds.get(f.name, f.type)) for f in inferred])
    table = pa.Table.from_pandas(kept, schema=schema, preserve_index=False)
    for field in answers.schema:
        table = table.append_column(field, answers.column(field.name))
    return table
