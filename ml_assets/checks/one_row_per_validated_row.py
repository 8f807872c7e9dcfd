"""features.sql neither loses nor invents rows."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property
from ml_assets.core.feature_query import quoted
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace


def one_row_per_validated_row(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Every validated row has exactly one row of features, and no other row has."""
    problem = declared.problem
    identity = ", ".join(quoted(name) for name in problem.identity)

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        for table in ("validated_data", "feature_table"):
            workspace.lake.register(connection, table_name(declared, table), name=table)
        where = place(problem, window).where
        missing, invented = (
            connection.execute(
                f"SELECT count(*) FROM (SELECT {identity} FROM {left} WHERE {where} "
                f"EXCEPT ALL SELECT {identity} FROM {right} WHERE {where})"
            ).fetchall()[0][0]
            for left, right in (
                ("validated_data", "feature_table"),
                ("feature_table", "validated_data"),
            )
        )
        return dg.AssetCheckResult(
            passed=missing == invented == 0,
            description=f"{missing} validated rows have no features; {invented} rows of features "
            "have no validated row.",
            metadata={
                "validated_rows_without_features": missing,
                "features_without_a_validated_row": invented,
                "what_to_do": "Let features.sql select from validated_data and LEFT JOIN the rest.",
            },
        )

    return asset_property(
        declared, "feature_table", one_row_per_validated_row, judge, blocking=True
    )
