"""Feedback: the truth about answered rows, as callers sent it."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from ml_assets.assets.stage import declare
from ml_assets.core.feedback import FEEDBACK
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
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
            partitioned=False,
        )
    )
    def _feedback(
        workspace: dg.ResourceParam[Workspace], duckdb: DuckDBResource
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            taken = take_feedback(connection, workspace, declared)
        return dg.MaterializeResult(
            metadata={
                "table": table_name(declared, FEEDBACK),
                "new_rows": taken.rows,
                "rows": taken.total,
                "rows_of_unknown_requests": taken.unknown,
            }
        )

    return _feedback
