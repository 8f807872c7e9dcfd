"""A rehearsal in a workspace of its own: decisions and ledger as live operation writes them."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.fits import Fidelity
from ml_assets.core.rehearsal.live import Course, Decided, Retrained
from ml_assets.core.rehearsal.policies import NAMES, compared_policies
from ml_assets.core.rehearsal.rehearse import Rehearsal, rehearse
from ml_assets.core.window import Window, cut
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.rehearsal import ModelShelf, read_past
from ml_assets.storage.workspace import Workspace

KIND = "retraining"


def rehearse_problem(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
    *,
    names: Sequence[str] = NAMES,
    regular: Sequence[datetime] = (),
    seed: int,
    change: datetime | None = None,
    fidelity: Fidelity | None = None,
    jobs: int = 2,
) -> Rehearsal:
    """Rehearse some partitions of a problem; the workspace is read and never written.

    Args:
        connection: Reads the lake.
        workspace: Holds the materialised feature table and labels.
        declared: The problem.
        window: Whole partitions.
        names: Policies, see ``core.rehearsal.policies.NAMES``.
        regular: Moments at which the declared ``retraining.cron`` is due.
        seed: Of models, resamples and the audit.
        change: When the world changed, if that is known.
        fidelity: How closely models resemble the real ones; by default what can be afforded.
        jobs: Processes at once.
    """
    problem = declared.problem
    everything = Window(problem.partitions.start, window.end)
    past = read_past(connection, workspace.lake, declared, everything)
    steps = list(cut(window, problem.partitions.every))
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        return rehearse(
            problem,
            past,
            compared_policies(problem, steps, names=names, regular=regular),
            steps=steps,
            seed=seed,
            change=change,
            fidelity=fidelity,
            shelf=ModelShelf(Path(folder)),
            jobs=jobs,
        )


def record_rehearsal(home: Path, rehearsal: Rehearsal) -> Workspace:
    """Write what every policy decided into a workspace of its own, at virtual times.

    Each policy has a history of its own, named ``<problem>/<policy>``. Policies that ask no gates
    have no ledger: it would hold no decision.

    Returns:
        The workspace, whose ledger and decisions read like live ones.
    """
    isolated = Workspace(home)
    for course in rehearsal.courses:
        name = f"{rehearsal.problem.name}/{course.policy}"
        isolated.decisions.record_all([_row(name, one) for one in course.decisions])
        if all(one.gates is not None for one in course.retrainings):
            _record_versions(isolated, name, rehearsal, course)
    return isolated


def _row(name: str, decided: Decided) -> dict[str, Any]:
    decision = decided.decision
    return {
        "problem": name,
        "kind": KIND,
        "outcome": "retrain" if decision.retrain else "keep",
        "reason": decision.reason,
        "episode": decision.episode,
        "details": {"now": decided.at.isoformat(), "run_key": decision.run_key},
        "at": decided.at,
    }


def _record_versions(isolated: Workspace, name: str, rehearsal: Rehearsal, course: Course) -> None:
    start = rehearsal.steps[0].start
    ledger = isolated.ledger
    for event in ("trained", "promoted"):
        ledger.record(name, event, rehearsal.first, reason="First champion.", at=start)
    for one in course.retrainings:
        _record_retraining(isolated, name, rehearsal.problem, one)


def _record_retraining(isolated: Workspace, name: str, problem: Problem, one: Retrained) -> None:
    gates = one.gates
    reason = gates.reason if gates else ""
    details = (
        {"cutoff": one.at.isoformat(), "gates": [asdict(row) for row in gates.rows]}
        if gates
        else {}
    )
    ledger = isolated.ledger
    ledger.record(name, "trained", one.version, reason=f"Rehearsed for {problem.name}.", at=one.at)
    if one.promoted:
        ledger.record(name, "challenged", one.version, reason=reason, at=one.at)
    event = "promoted" if one.promoted else "kept"
    ledger.record(name, event, one.version, reason=reason, details=details, at=one.at)
