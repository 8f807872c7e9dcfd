"""What is written down of interventions: decisions with their reasons, entries of the ledger."""

from datetime import datetime
from typing import Any

from ml_assets.core.adjustment import Adjustment
from ml_assets.core.corrections import told
from ml_assets.core.intervention import Intervention
from ml_assets.core.intervention_decision import InterventionDecision
from ml_assets.storage.labelled_rows import ServedModel
from ml_assets.storage.ledger import INTERVENES
from ml_assets.storage.workspace import Workspace

KIND = "intervention"
BY_HAND = "ended_by_hand"


def record_end_with_version(
    workspace: Workspace, known: Adjustment, version: str, now: datetime
) -> None:
    """Record that an intervention ended because another version serves."""
    if known.intervention is None:
        return
    reason = f"{known.intervention.id} ended with its version: {version} serves now."
    enter(workspace, known, "intervention_ended", reason, now)
    details = {"version": known.version, "id": known.intervention.id}
    workspace.decisions.record(known.problem, KIND, "end", reason, details=details, at=now)


def record_look(
    workspace: Workspace,
    served: ServedModel,
    decision: InterventionDecision,
    current: Intervention | None,
    now: datetime,
    *,
    until: datetime,
    applied: bool,
) -> None:
    """Record what a look at the latest truths came to; the ledger hears of what began or ended."""
    problem, version = served.release.problem, served.release.version
    about = decision.intervention or current
    outcome = decision.outcome if applied or decision.outcome != "begin" else "propose"
    details: dict[str, Any] = {
        "version": version,
        "until": until.isoformat(),
        "evidence": decision.details,
    }
    if about is not None:
        details["id"] = about.id
    workspace.decisions.record(problem, KIND, outcome, decision.reason, details=details, at=now)
    if about is None or outcome not in {"begin", "change", "end"}:
        return
    event = "intervention_ended" if outcome == "end" else "intervened"
    known = Adjustment(problem, version, served.digest, 1, now, intervention=about)
    enter(workspace, known, event, decision.reason, now)


def enter(
    workspace: Workspace,
    about: Adjustment,
    event: Any,  # noqa: ANN401 - checked by the ledger
    reason: str,
    now: datetime,
) -> None:
    """Write what became of an adjustment's intervention into the ledger."""
    intervention = about.intervention
    details = {} if intervention is None else intervention.to_json()
    if intervention is not None:
        details["told"] = told(intervention.correction)
    workspace.ledger.record(
        about.problem, event, about.version, reason=reason, details=details, at=now
    )


def catch_up(workspace: Workspace, known: Adjustment, now: datetime) -> None:
    """Let the ledger say what servers were told, where a process was killed in between."""
    entries = workspace.ledger.entries(known.problem)
    entered = next((one for one in reversed(entries) if one.event in INTERVENES), None)
    in_force = entered if entered is not None and entered.event == "intervened" else None
    named = None if in_force is None else in_force.details.get("id")
    intervention = known.intervention
    if intervention is not None and named != intervention.id:
        enter(workspace, known, "intervened", "Servers had been told; it is entered now.", now)
    elif intervention is None and in_force is not None and in_force.version == known.version:
        reason = "Servers had been told that it is over; it is entered now."
        enter(workspace, known, "intervention_ended", reason, now)
