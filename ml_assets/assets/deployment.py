"""The deployment: what running servers are told to serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.evaluation_report import JUDGED_BESIDE
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.experiment import plan_of
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.experiments import begin
from ml_assets.storage.ledger import SERVES, Entry
from ml_assets.storage.serving_state import ServingState, announce_again, serving_at
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class Packed:
    """A version that is ready to serve.

    Attributes:
        version: Name in the ledger.
        tag: Tag of its Bento.
        cutoff: Of its training set.
        judged_beside: The champion that the gates knew; None if there was none.
    """

    version: str
    tag: str
    cutoff: datetime
    judged_beside: str | None


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
        beside = workspace.outputs.read_json(
            problem.name, cutoff, "evaluation_report", JUDGED_BESIDE
        )
        told = move["reason"]
        announce_again(workspace, problem.name)
        if built["built"]:
            packed = Packed(built["version"], built["tag"], cutoff, beside["champion"])
            told = bring_in(workspace, declared, packed, reason=told)
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
    workspace: Workspace, declared: DeclaredProblem, packed: Packed, *, reason: str
) -> str:
    """Let a packaged version serve, or begin its way there, and say which.

    The same version twice changes nothing: it serves, is in traffic, or was decided on. Nor does
    one that was judged beside another champion than the one that serves.
    """
    name, version = declared.problem.name, packed.version
    entries = workspace.ledger.entries(name)
    state = serving_at(entries)
    against = _what_speaks_against(entries, state, packed)
    if against is not None:
        return against
    now = datetime.now(tz=UTC)
    if state is None or not plan_of(declared.problem.serving.traffic):
        deploy(
            workspace,
            name,
            version,
            event="promoted",
            reason=reason,
            details={"bento": packed.tag, "cutoff": packed.cutoff.isoformat()},
            now=now,
            follows=None if state is None else state.newest.sequence,
        )
        return reason
    if state.traffic is not None:
        beside = state.traffic.version
        return f"{beside} is in traffic" + ("." if beside == version else f"; {version} waits.")
    waiting = workspace.ledger.challenger(name)
    if waiting is None or waiting.version != version:
        return f"{version} was decided on: it is not tried again."
    begin(workspace, declared, version, bento=packed.tag, reason=reason, now=now)
    return f"{version} is in traffic. {reason}"


def _what_speaks_against(
    entries: Sequence[Entry], state: ServingState | None, packed: Packed
) -> str | None:
    """Return why a version is not brought in: it serves, has served, or was judged in vain."""
    version, serving = packed.version, None if state is None else state.champion.version
    if state is not None and serving == version:
        return state.newest.reason
    before = [one for one in entries if one.event in SERVES and one.version == version]
    if before:
        command = f"ml-assets promote {before[-1].problem} {version}"
        return f"{version} has served before. To bring it back: {command}"
    if serving != packed.judged_beside:
        return (
            f"{version} was judged beside {packed.judged_beside or 'no champion'}, and "
            f"{serving or 'nothing'} serves now: it is not brought in. The next training is "
            "judged beside what serves."
        )
    return None
