"""Production: what was asked and answered, and profiled."""

import dagster as dg

from ml_assets.assets.describe import (
    WrittenTable,
    result,
    rows_by_partition,
    table_metadata,
)
from ml_assets.assets.stage import before, declare, key_of, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.changed_dates import replace_changed
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.exclusive import alone
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.prediction_logs import logged_rows
from ml_assets.storage.production_profiles import profile_window
from ml_assets.storage.workspace import Workspace


def production_traffic(declared: DeclaredProblem) -> dg.AssetSpec:
    """Requests that running servers answer with the deployed version: no run makes them."""
    problem = declared.problem
    shared = declare(
        declared,
        "production_traffic",
        stage="serving",
        kinds=["http"],
        deps=[before(problem, "deployment")],
        description=production_traffic.__doc__,
    )
    del shared["backfill_policy"], shared["pool"]
    return dg.AssetSpec(**shared)


def prediction_log(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Every answered row once: inputs, features, prediction, version and request."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "prediction_log",
            stage="monitoring",
            kinds=["deltalake"],
            deps=[key_of(problem, "production_traffic")],
            description=prediction_log.__doc__,
            metadata=table_metadata(declared, "prediction_log"),
        )
    )
    def _prediction_log(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        name, placement = table_name(declared, "prediction_log"), place(problem, window)
        # Every hour asks for all dates whose labels may have come, and hardly any has new rows.
        with (
            alone(workspace.home / "locks" / problem.name / "prediction_log"),
            duckdb.get_connection() as connection,
        ):
            rows = logged_rows(connection, workspace, declared, window)
            version = replace_changed(connection, workspace.lake, name, rows, placement)
        served = sorted(set(rows["version"].to_pylist()))
        written = WrittenTable(version, rows.schema, rows_by_partition(problem, rows))
        return result(context, {"rows": len(rows), "versions": served}, table=written)

    return _prediction_log


def production_profile(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """One whylogs profile an hour and version: features, predictions and residuals."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "production_profile",
            stage="monitoring",
            kinds=["whylogs"],
            deps=[key_of(problem, "prediction_log"), key_of(problem, "labels")],
            description=production_profile.__doc__,
        )
    )
    def _production_profile(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            stored = profile_window(connection, workspace, declared, window_of(context))
        facts = {
            "profiles": len(stored),
            "revised": sum(profile.revision > 0 for profile in stored),
            "folder": dg.MetadataValue.path(str(workspace.profiles.root / problem.name)),
        }
        return result(context, facts)

    return _production_profile
