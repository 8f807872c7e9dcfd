"""The deployment: what running servers are told to serve."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace


def deployment(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Who serves: the ledger's newest promotion, told to running servers by replacing one file."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "deployment",
            stage="serving",
            kinds=["bentoml"],
            deps=[key_of(problem, "bento")],
            description=deployment.__doc__,
        )
    )
    def _deployment(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        cutoff = window_of(context).end
        built = workspace.outputs.read_json(problem.name, cutoff, "bento", "bento.json")
        move = workspace.outputs.read_json(problem.name, cutoff, "champion", "move.json")
        serving = workspace.ledger.champion(problem.name)
        if built["built"] and (serving is None or serving.version != built["version"]):
            deploy(
                workspace,
                problem.name,
                built["version"],
                event="promoted",
                reason=move["reason"],
                details={"bento": built["tag"], "cutoff": cutoff.isoformat()},
                now=datetime.now(tz=UTC),
            )
        current = workspace.deployment(problem.name).read()
        if current is None:
            return result(context, {"serving": "nothing", "reason": move["reason"]})
        return result(
            context,
            {
                "serving": current.champion_version,
                "revision": current.revision,
                "reason": current.reason,
                "since": current.at.isoformat(),
                "next": f"ml-assets serve {problem.name}",
            },
        )

    return _deployment
