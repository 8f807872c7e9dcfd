"""Adjustments of what servers answer: decided from the latest truths, told, recorded."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from ml_assets.core.adjustment import Adjustment, Quantiles
from ml_assets.core.assurer import Assurer
from ml_assets.core.correction_evidence import LabelledRows, Loss, quantiles_now
from ml_assets.core.corrections import Bounds
from ml_assets.core.errors import LedgerError
from ml_assets.core.intervention import Intervention
from ml_assets.core.intervention_decision import (
    InterventionDecision,
    InterventionRule,
    decide_intervention,
)
from ml_assets.core.problem import Problem
from ml_assets.core.release import ASSURANCE_FILE, FALLBACK_FILE, RELEASE_FILE, Release
from ml_assets.core.window import Window
from ml_assets.storage.adjustment_record import (
    BY_HAND,
    KIND,
    catch_up,
    enter,
    record_end_with_version,
    record_look,
)
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.labelled_rows import ServedModel, labelled_rows
from ml_assets.storage.versions import champion_version
from ml_assets.storage.workspace import Workspace


@dataclass(frozen=True)
class Adjusted:
    """What became of a look at the latest truths.

    Attributes:
        version: That serves; None if nothing does.
        decision: What was decided; None where the release says nothing beside its predictions.
        adjustment: What servers are told now; None if they are told nothing.
        rows: Labelled rows that were looked at.
        applied: Whether the decision was carried out.
    """

    version: str | None
    decision: InterventionDecision | None
    adjustment: Adjustment | None
    rows: int
    applied: bool


def adjust(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
    *,
    now: datetime,
    by_hand: bool = False,
) -> Adjusted:
    """Let intervals follow the truths, and intervene, go on or stop as these say.

    Args:
        connection: Computes.
        workspace: Holds log, labels, ledger and what servers are told.
        declared: The problem.
        window: Truths that became known after its end are left out. One that ends before an earlier
            look of the same version changes nothing, as when an old partition is made again.
        now: The moment of the decision.
        by_hand: Whether a person asks: what is only proposed is done then, and a pause is over.
    """
    # A person may end what is in force while labels are read.
    with workspace.adjustment(declared.problem.name).held():
        return _adjust(connection, workspace, declared, window, now=now, by_hand=by_hand)


def _adjust(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
    *,
    now: datetime,
    by_hand: bool,
) -> Adjusted:
    problem = declared.problem
    served = served_model(workspace, problem.name)
    place = workspace.adjustment(problem.name)
    known = place.read()
    if known is not None:
        catch_up(workspace, known, now)
    if served is None:
        return Adjusted(None, None, None, 0, applied=False)
    if known is not None and known.release != served.digest:
        record_end_with_version(workspace, known, served.release.version, now)
        known = None
    version, current = served.release.version, known.intervention if known else None
    until = min(window.end, now)
    old = None if by_hand or known is None else _too_old(workspace, known, until)
    if old is not None:
        record_look(workspace, served, old, current, now, until=until, applied=True)
        return Adjusted(version, old, known, 0, applied=True)
    rows = labelled_rows(connection, workspace.lake, declared, served, window)
    decision = decide_intervention(
        rows,
        rule_of(problem, served.assurer.assurance.bounds),
        intervals=served.assurer.assurance.intervals,
        current=current,
        now=now,
        paused=None if by_hand else _paused(workspace, problem, version, now),
    )
    applied = by_hand or current is not None or problem.serving.interventions.mode == "apply"
    in_force = decision.intervention if applied else current
    adjustment = _adjustment(problem, served, rows, in_force, now)
    if known is None or _differs(known, adjustment):
        adjustment = place.write(adjustment)
    record_look(workspace, served, decision, current, now, until=until, applied=applied)
    return Adjusted(version, decision, adjustment, len(rows), applied=applied)


def end_intervention(
    workspace: Workspace, problem: str, *, reason: str, now: datetime
) -> Intervention:
    """End what is in force, by hand; nothing begins by itself for as long as one would last.

    Raises:
        LedgerError: If nothing is in force.
    """
    place = workspace.adjustment(problem)
    with place.held():
        known = place.read()
        if known is None or known.intervention is None:
            message = f"No intervention is in force for {problem!r}."
            raise LedgerError(message)
        place.write(known.without_intervention())
        enter(workspace, known, "intervention_ended", reason, now)
    workspace.decisions.record(
        problem,
        KIND,
        BY_HAND,
        reason,
        details={"version": known.version, "id": known.intervention.id},
        at=now,
    )
    return known.intervention


def served_model(workspace: Workspace, problem: str) -> ServedModel | None:
    """Return the serving release; None if nothing serves, or it says nothing beside predictions."""
    stored = champion_version(workspace, problem)
    if stored is None or stored.release is None:
        return None
    folder = workspace.artefacts.folder(stored.release)
    if not (folder / ASSURANCE_FILE).is_file():
        return None
    names = (RELEASE_FILE, ASSURANCE_FILE, FALLBACK_FILE)
    files = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    release = Release.from_json(json.loads(files[RELEASE_FILE]))
    assurer = Assurer.of_files(files, release.classes)
    return None if assurer is None else ServedModel(release, assurer, stored.release)


def rule_of(problem: Problem, bounds: Bounds) -> InterventionRule:
    """Return what the problem declares about interventions.

    Args:
        problem: Declares it.
        bounds: Of the release that serves: its servers allow no more.
    """
    declared, interval = problem.serving.interventions, problem.serving.interval
    loss: Loss = "log"
    if problem.task == "regression":
        loss = "squared" if problem.primary_metric in {"rmse", "r2"} else "absolute"
    return InterventionRule(
        kinds=() if declared.mode == "off" else declared.kinds,
        bounds=bounds,
        lasts=declared.lasts,
        false_alarm_looks=declared.false_alarm_windows,
        window=problem.monitoring.window,
        loss=loss,
        adaptive=interval is not None and interval.adaptive,
        # What a person began lasts as long as they were told.
        renews=declared.mode == "apply",
    )


def _adjustment(
    problem: Problem,
    served: ServedModel,
    rows: LabelledRows,
    in_force: Intervention | None,
    now: datetime,
) -> Adjustment:
    intervals, interval = served.assurer.assurance.intervals, problem.serving.interval
    plain: Quantiles | None = None
    corrected: Quantiles | None = None
    if intervals is not None and interval is not None and interval.adaptive and len(rows):
        plain = quantiles_now(intervals, rows, None)
        if in_force is not None:
            corrected = quantiles_now(intervals, rows, in_force.correction)
    return Adjustment(
        problem=problem.name,
        version=served.release.version,
        release=served.digest,
        sequence=1,
        at=now,
        quantiles=plain,
        intervention=in_force,
        corrected_quantiles=corrected,
    )


def _differs(known: Adjustment, found: Adjustment) -> bool:
    return (known.quantiles, known.intervention, known.corrected_quantiles) != (
        found.quantiles,
        found.intervention,
        found.corrected_quantiles,
    )


def _paused(workspace: Workspace, problem: Problem, version: str, now: datetime) -> str | None:
    lasts: timedelta = problem.serving.interventions.lasts
    for one in workspace.decisions.recent(problem.name, KIND, limit=1000):
        if one.outcome != BY_HAND or one.details.get("version") != version:
            continue
        if now < one.at + lasts:
            until = one.at + lasts
            return (
                f"Ended by hand ({one.reason}); nothing begins before {until:%Y-%m-%d %H:%M} UTC."
            )
        return None
    return None


def _too_old(
    workspace: Workspace, known: Adjustment, until: datetime
) -> InterventionDecision | None:
    """Decide to leave everything where truths after these have decided; None if none have."""
    looks = [
        datetime.fromisoformat(one.details["until"])
        for one in workspace.decisions.recent(known.problem, KIND)
        if one.details.get("version") == known.version and "until" in one.details
    ]
    latest = max(looks, default=until)
    if latest <= until:
        return None
    reason = f"Truths up to {latest:%Y-%m-%d %H:%M} UTC have decided already; these are older."
    current = known.intervention
    return InterventionDecision("keep" if current else "none", current, reason, {})
