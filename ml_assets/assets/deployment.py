"""The deployment: what running servers are told to serve."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.experiment import plan_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.experiments import begin
from ml_assets.storage.serving_state import serving_at
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace


def deployment(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Who serves: what the ledger says, told to running servers by replacing one file.

    A version that the gates let through serves at once, or comes into traffic beside the champion,
    as ``serving.traffic.promotion`` declares.
    """
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
        told = move["reason"]
        if built["built"]:
            told = bring_in(workspace, declared, built, cutoff=cutoff, reason=told)
        current = workspace.deployment(problem.name).read()
        if current is None:
            return result(context, {"serving": "nothing", "reason": told})
        beside = current.contender
        return result(
            context,
            {
                "serving": current.champion_version,
                "mode": current.mode,
                "beside": beside.version if beside else "nothing",
                "share": current.share,
                "revision": current.revision,
                "reason": told,
                "since": current.at.isoformat(),
                "next": f"ml-assets serve {problem.name}",
            },
        )

    return _deployment


def bring_in(
    workspace: Workspace,
    declared: DeclaredProblem,
    built: dict[str, Any],
    *,
    cutoff: datetime,
    reason: str,
) -> str:
    """Let a packaged version serve, or begin its way there, and say which.

    The same version twice changes nothing: it serves, is in traffic, or was decided on.
    """
    name, version = declared.problem.name, built["version"]
    state = serving_at(workspace.ledger.entries(name))
    if state is not None and state.champion.version == version:
        return state.newest.reason
    now = datetime.now(tz=UTC)
    if state is None or not plan_of(declared.problem.serving.traffic):
        details = {"bento": built["tag"], "cutoff": cutoff.isoformat()}
        deploy(workspace, name, version, event="promoted", reason=reason, details=details, now=now)
        return reason
    if state.traffic is not None:
        beside = state.traffic.version
        return f"{beside} is in traffic" + ("." if beside == version else f"; {version} waits.")
    waiting = workspace.ledger.challenger(name)
    if waiting is None or waiting.version != version:
        return f"{version} was decided on: it is not tried again."
    begin(workspace, declared, version, bento=built["tag"], reason=reason, now=now)
    return f"{version} is in traffic. {reason}"
