"""Feedback: the truth about answered rows, as callers sent it."""

import dagster as dg

from ml_assets.assets.describe import result, table_metadata
from ml_assets.assets.stage import declare
from ml_assets.core.feedback import FEEDBACK
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feedback import take_feedback
from ml_assets.storage.workspace import Workspace


def feedback(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Every truth that a caller sent, with the row it is about: late ones and corrections too.

    Nothing is ever replaced. A truth about a request that no log holds is kept and counted.
    """

    @dg.asset(
        **declare(
            declared,
            FEEDBACK,
            stage="labels",
            kinds=["deltalake"],
            description=feedback.__doc__,
            metadata=table_metadata(declared, FEEDBACK),
            partitioned=False,
        )
    )
    def _feedback(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            taken = take_feedback(connection, workspace, declared)
        facts = {
            "new_rows": taken.rows,
            "rows": taken.total,
            "rows_of_unknown_requests": taken.unknown,
        }
        return result(context, facts)

    return _feedback
