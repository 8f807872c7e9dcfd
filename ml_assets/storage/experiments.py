"""A look at an experiment, and what is done about it: once, however often one looks."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import duckdb

from ml_assets.core.experiment import Move, Progress, alpha_of_a_stage, next_move, plan_of, rule_of
from ml_assets.core.guard_rails import RailReading, read_rails
from ml_assets.core.sequential_test import Evidence, judge
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.experiment_rows import experiment_rows
from ml_assets.storage.serving_state import ServingState, Traffic, serving_at
from ml_assets.storage.traffic import Part, change_traffic, end_traffic, start_traffic
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace

OUTCOMES = {"roll_back": "rolled_back", "withdraw": "inconclusive"}


@dataclass(frozen=True)
class Look:
    """What an experiment shows at one moment.

    Attributes:
        state: Who served when it was looked at.
        traffic: The version in traffic.
        evidence: What the labelled rows say.
        rails: What the guard rails say.
        move: What follows.
        until: End of what was looked at.
    """

    state: ServingState
    traffic: Traffic
    evidence: Evidence
    rails: tuple[RailReading, ...]
    move: Move
    until: datetime

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the ledger."""
        return {
            "until": self.until.isoformat(),
            "evidence": self.evidence.to_json(),
            "guard_rails": [asdict(rail) for rail in self.rails],
        }


def look(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    *,
    until: datetime,
) -> Look | None:
    """Return what the running experiment shows up to a moment; None if none runs."""
    problem = declared.problem
    state = serving_at(workspace.ledger.entries(problem.name))
    if state is None or state.traffic is None:
        return None
    declaration, traffic = problem.serving.traffic, state.traffic
    rails = declaration.guard_rails
    rows = experiment_rows(
        connection,
        workspace.lake,
        declared,
        state,
        until=until,
        slow_ms=rails.latency_ms or problem.serving.latency_ms,
    )
    evidence = judge(rows.losses, rule_of(problem))
    found = read_rails(rails, rows.service, rows.losses, alpha=alpha_of_a_stage(declaration))
    progress = Progress(
        # A plan that is no longer declared cannot be followed.
        stage=traffic.stage if plan_of(declaration) else None,
        in_stage=rows.in_stage,
        in_all=rows.in_all,
        proven=bool(traffic.newest.details.get("proven")),
    )
    move = next_move(declaration, progress, evidence, found)
    return Look(state, traffic, evidence, found, move, until)


def act(workspace: Workspace, declared: DeclaredProblem, seen: Look, *, now: datetime) -> None:
    """Do what follows from a look, with its evidence in the ledger.

    Raises:
        LedgerError: If who serves has changed since the look: it has to be taken again.
    """
    name, reason = declared.problem.name, seen.move.reason
    told: dict[str, Any] = {"reason": reason, "now": now, "follows": seen.state.newest.sequence}
    facts = {"experiment": seen.traffic.experiment, **seen.to_json()}
    match seen.move.action:
        case "go_on":
            return
        case "promote":
            kept = {k: v for k, v in seen.traffic.details.items() if k == "bento"}
            details = {**kept, **facts}
            deploy(workspace, name, seen.traffic.version, event="promoted", details=details, **told)
        case "next_step":
            part = part_of(declared, (seen.traffic.stage or 0) + 1)
            proven = seen.traffic.mode == "shadow" or seen.traffic.newest.details.get("proven")
            change_traffic(workspace, name, part, details={**facts, "proven": bool(proven)}, **told)
        case action:
            end_traffic(workspace, name, outcome=OUTCOMES[action], details=facts, **told)


def begin(
    workspace: Workspace,
    declared: DeclaredProblem,
    version: str,
    *,
    bento: str,
    reason: str,
    now: datetime,
) -> None:
    """Bring a version that the gates let through into the first stage of the declared plan."""
    start_traffic(
        workspace,
        declared.problem.name,
        version,
        part_of(declared, 0),
        reason=reason,
        routing_key=declared.problem.serving.traffic.routing_key,
        bento=bento,
        now=now,
    )


def part_of(declared: DeclaredProblem, stage: int) -> Part:
    """Return how the challenger takes part in a stage of the declared plan."""
    found = plan_of(declared.problem.serving.traffic)[stage]
    return Part(found.mode, found.share, stage)
