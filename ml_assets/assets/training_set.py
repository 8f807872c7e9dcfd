"""Training sets: what was known at a cutoff."""

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import before, declare, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.training_sets import TrainingRecipe, read_training_set
from ml_assets.storage.workspace import Workspace


def training_set(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Features with the labels that had arrived at the cutoff: the end of the run's partitions.

    What is stored is the recipe: the versions of the tables and the cutoff. The same rows can be
    read from it at any later time.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "training_set",
            stage="models",
            kinds=["deltalake"],
            deps=[before(problem, "feature_table"), before(problem, "labels")],
            description=training_set.__doc__,
        )
    )
    def _training_set(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        recipe = TrainingRecipe.of_today(workspace.lake, declared, window_of(context).end)
        with duckdb.get_connection() as connection:
            rows = read_training_set(connection, workspace.lake, declared, recipe)
        files = {"recipe.json": as_json(recipe.to_json())}
        workspace.outputs.put(problem.name, recipe.cutoff, "training_set", files)
        times = rows.frame["event_time"]
        return result(
            context,
            {
                "cutoff": recipe.cutoff.isoformat(),
                "rows": len(rows.frame),
                "features": len(rows.features),
                "first_event": str(times.iloc[0]),
                "last_event": str(times.iloc[-1]),
            },
            {"recipe": dg.MetadataValue.json(recipe.to_json())},
        )

    return _training_set
