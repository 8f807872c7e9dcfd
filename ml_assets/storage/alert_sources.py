"""Signals for alerts, read from the tables in which monitoring keeps what it found."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import fmean
from typing import Any

from ml_assets.core.alert import ExpectedLoss, Kind, Signal
from ml_assets.core.alert_signals import (
    ColumnChange,
    coverage_signal,
    drift_signal,
    performance_signal,
)
from ml_assets.core.episodes import Episode
from ml_assets.core.lasting import stretches
from ml_assets.core.repair import to_repair
from ml_assets.storage.acceptance import accepted_until
from ml_assets.storage.coverage import FEWEST_ROWS
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE, episodes
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.workspace import Workspace

REPORT = "performance_report"
LISTED: tuple[Kind, ...] = ("drift", "data_fault", "performance", "coverage")
"""Kinds of which ``monitoring_signals`` returns every open signal."""


def monitoring_signals(
    workspace: Workspace, declared: DeclaredProblem, observed: datetime
) -> list[Signal]:
    """Return all that monitoring has found up to a moment, open or over."""
    days = _champion_rows(workspace, declared)
    drift = _drift(workspace, declared, observed)
    return [*drift, *_performance(declared, days), *_coverage(declared, days)]


def _drift(workspace: Workspace, declared: DeclaredProblem, observed: datetime) -> Iterator[Signal]:
    name = table_name(declared, TABLE)
    if not workspace.lake.exists(name):
        return
    problem = declared.problem
    serving = workspace.ledger.champion(problem.name)
    accepted = accepted_until(workspace, problem.name)
    rows = workspace.lake.read(name, where="state = 'drift'").to_pylist()
    for version in sorted({row["version"] for row in rows}):
        own = [row for row in rows if row["version"] == version]
        for episode in episodes(workspace, declared, version):
            signal = drift_signal(
                episode,
                _clearest(own, episode),
                answers=serving.version if serving else None,
                now=observed,
                repair=to_repair(problem.retraining, episode, now=observed, accepted=accepted),
            )
            yield replace(signal, loss=expected_loss(workspace, declared, episode))


def _performance(declared: DeclaredProblem, rows: Sequence[dict[str, Any]]) -> Iterator[Signal]:
    """Yield what the performance report says of the champion's loss."""
    known = [row for row in rows if None not in (row["believed_low"], row["usual_high"])]
    for stretch in stretches(
        [(row["_date"], row["believed_low"] > row["usual_high"]) for row in known]
    ):
        row = next(row for row in known if row["_date"] == stretch.last)
        confidence = declared.problem.gates.confidence
        loss = _loss_of(row, confidence=confidence, before=row["usual"])
        yield performance_signal(declared.problem.name, row["version"], stretch, loss=loss)


def _coverage(declared: DeclaredProblem, rows: Sequence[dict[str, Any]]) -> Iterator[Signal]:
    """Yield what the performance report says of the champion's intervals."""
    interval = declared.problem.serving.interval
    if interval is None:
        return
    told = [row for row in rows if row["covered_rows"] >= FEWEST_ROWS]
    for stretch in stretches(
        [(row["_date"], row["covered_high"] < interval.coverage) for row in told]
    ):
        row = next(row for row in told if row["_date"] == stretch.last)
        yield coverage_signal(
            declared.problem.name,
            row["version"],
            stretch,
            covered=row["covered"],
            declared=interval.coverage,
            confidence=declared.problem.gates.confidence,
        )


def _champion_rows(workspace: Workspace, declared: DeclaredProblem) -> list[dict[str, Any]]:
    """Return the champion's cohorts in order of their date."""
    serving = workspace.ledger.champion(declared.problem.name)
    table = table_name(declared, REPORT)
    if serving is None or not workspace.lake.exists(table):
        return []
    rows = workspace.lake.read(table).to_pylist()
    own = [row for row in rows if row["version"] == serving.version]
    return sorted(own, key=lambda row: row["_date"])


def _clearest(rows: list[dict[str, Any]], episode: Episode) -> list[ColumnChange]:
    """Return the finding of each column that is least likely by chance, in an episode."""
    clearest: dict[str, ColumnChange] = {}
    for row in rows:
        if not episode.opened <= row["window_start"] <= episode.last_drift:
            continue
        for found in json.loads(row["findings"]):
            change = ColumnChange(found["column"], found["kind"], found["effect"], found["p_value"])
            known = clearest.get(change.column)
            if known is None or change.p_value < known.p_value:
                clearest[change.column] = change
    return list(clearest.values())


def expected_loss(
    workspace: Workspace, declared: DeclaredProblem, episode: Episode
) -> ExpectedLoss | None:
    """Return the newest loss since an episode opened that the performance report believes."""
    table = table_name(declared, REPORT)
    if not workspace.lake.exists(table):
        return None
    cohorts = [
        row
        for row in workspace.lake.read(table).to_pylist()
        if row["version"] == episode.version and row.get("believed_low") is not None
    ]
    since = [row for row in cohorts if row["_date"] >= episode.opened.date()]
    if not since:
        return None
    newest = max(since, key=lambda row: row["_date"])
    before = [row["believed"] for row in cohorts if row["_date"] < episode.opened.date()]
    return _loss_of(
        newest,
        confidence=declared.problem.gates.confidence,
        before=fmean(before) if before else None,
    )


def _loss_of(row: dict[str, Any], *, confidence: float, before: float | None) -> ExpectedLoss:
    return ExpectedLoss(
        metric=row["metric"],
        value=row["believed"],
        low=row["believed_low"],
        high=row["believed_high"],
        confidence=confidence,
        before=before,
        origin=row["belief"],
    )
