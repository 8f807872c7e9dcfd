"""What was decided about retraining, and what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from ml_assets.core.evaluation import LOSS
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.policy import RetrainingDecision
from ml_assets.core.retraining_history import Training, recovery_of
from ml_assets.storage.champion_readings import evaluated_losses
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.workspace import Workspace

KIND = "retraining"
CHAMPION = "champion"


def record_decision(
    workspace: Workspace,
    problem: str,
    decision: RetrainingDecision,
    *,
    now: datetime,
    cutoff: datetime,
    columns: tuple[str, ...] = (),
) -> None:
    """Append a decision, also one to do nothing, with what led to it.

    Args:
        workspace: Holds the decisions.
        problem: Name of the problem.
        decision: What was decided.
        now: End of the newest window that was looked at.
        cutoff: Cutoff of the training that follows, if one does.
        columns: What had drifted.
    """
    worth = decision.worth
    details: dict[str, Any] = {
        "now": now.isoformat(),
        "columns": list(columns),
        "run_key": decision.run_key,
        "cutoff": cutoff.isoformat(),
        "change": None if decision.change is None else decision.change.isoformat(),
    }
    if worth is not None:
        details["worth"] = {**asdict(worth), "horizon": worth.horizon.total_seconds()}
    workspace.decisions.record(
        problem,
        KIND,
        "retrain" if decision.retrain else "keep",
        decision.reason,
        episode=decision.episode,
        details=details,
        at=datetime.now(tz=UTC),
    )


@dataclass(frozen=True)
class Decided:
    """A retraining that was decided on.

    Attributes:
        run_key: Names its run.
        cutoff: Of its training set.
        at: When it was decided.
    """

    run_key: str
    cutoff: datetime
    at: datetime


def unstarted(workspace: Workspace, problem: str) -> Decided | None:
    """Return the newest retraining that was decided on, if no version came of it or after it."""
    for one in workspace.decisions.recent(problem, KIND, outcome="retrain", limit=1):
        run_key, cutoff = one.details.get("run_key"), one.details.get("cutoff")
        if run_key is None or cutoff is None:
            return None
        decided = Decided(run_key, datetime.fromisoformat(cutoff), one.at)
        made = (
            datetime.fromisoformat(entry.details["cutoff"])
            for entry in workspace.ledger.entries(problem)
            if entry.event == "trained" and "cutoff" in entry.details
        )
        return None if any(cutoff >= decided.cutoff for cutoff in made) else decided
    return None


def change_before(workspace: Workspace, problem: str, cutoff: datetime) -> datetime | None:
    """Return the change that the training at a cutoff answers; None for a regular one."""
    for one in workspace.decisions.recent(problem, KIND, outcome="retrain"):
        if one.details.get("cutoff") == cutoff.isoformat():
            change = one.details.get("change")
            return None if change is None else datetime.fromisoformat(change)
    return None


def past_trainings(workspace: Workspace, problem: str) -> list[Training]:
    """Return the retrainings that were decided on, with what came of them."""
    outcomes = _outcomes(workspace, problem)
    return [
        _training(workspace, problem, one.episode, one.details, outcomes)
        for one in workspace.decisions.recent(problem, KIND, outcome="retrain")
    ]


def learnable_rows(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    *,
    change: datetime,
    now: datetime,
) -> int | None:
    """Count the rows from after a change, and the evaluation's gap, whose label is known.

    Returns:
        None if there are no labels to count.
    """
    problem = declared.problem
    gap = problem.label.delay if problem.evaluation.gap is None else problem.evaluation.gap
    name = table_name(declared, "labels")
    if not workspace.lake.exists(name):
        return None
    workspace.lake.register(connection, name, name="truths")
    counted = connection.execute(
        f"SELECT count(*) FROM {known_by('truths', now)} "
        f"WHERE {quoted(problem.label.column)} IS NOT NULL "
        f"AND event_time >= {literal(change + gap)} AND event_time < {literal(now)}"
    ).fetchall()
    return int(counted[0][0])


def _training(
    workspace: Workspace,
    problem: str,
    episode: str | None,
    details: Mapping[str, Any],
    outcomes: Mapping[str, bool],
) -> Training:
    cutoff = details.get("cutoff")
    promoted = None if cutoff is None else outcomes.get(cutoff)
    recovery, excess = None, (details.get("worth") or {}).get("excess")
    if promoted is not None and excess is not None and cutoff is not None:
        gain = _gain(workspace, problem, datetime.fromisoformat(cutoff))
        recovery = recovery_of(excess, gain, promoted=promoted)
    return Training(datetime.fromisoformat(details["now"]), episode, promoted, recovery)


def _outcomes(workspace: Workspace, problem: str) -> dict[str, bool]:
    """Return by cutoff whether the version that was weighed there came to serve."""
    cutoffs, outcomes = {}, {}
    for entry in workspace.ledger.entries(problem):
        if entry.event == "trained":
            cutoffs[entry.version] = entry.details.get("cutoff")
        cutoff = cutoffs.get(entry.version)
        if cutoff is not None and entry.event in ("promoted", "kept"):
            outcomes[cutoff] = entry.event == "promoted"
    return outcomes


def _gain(workspace: Workspace, problem: str, cutoff: datetime) -> float | None:
    """Return the share of the champion's loss that the weighed model did not have."""
    model = workspace.outputs.read_json(problem, cutoff, "evaluation_report", "decision.json")[
        "model"
    ]
    rows = evaluated_losses(workspace, problem, cutoff)
    if LOSS + CHAMPION not in rows:
        return None
    losses = rows[[LOSS + model, LOSS + CHAMPION]].dropna().mean()
    theirs = float(losses[LOSS + CHAMPION])
    return 1 - float(losses[LOSS + model]) / theirs if np.isfinite(theirs) and theirs > 0 else None
