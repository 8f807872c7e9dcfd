"""Signals for alerts, read from the tables in which monitoring keeps what it found."""

import json
from collections.abc import Iterator
from datetime import datetime

from ml_assets.core.alert import Kind, Signal
from ml_assets.core.alert_signals import ColumnChange, drift_signal
from ml_assets.core.episodes import Episode
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE, episodes
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.workspace import Workspace

LISTED: tuple[Kind, ...] = ("drift", "data_fault")
"""Kinds of which ``monitoring_signals`` returns every open signal."""


def monitoring_signals(
    workspace: Workspace, declared: DeclaredProblem, observed: datetime
) -> list[Signal]:
    """Return all that monitoring has found up to a moment, open or over."""
    return list(_drift(workspace, declared, observed))


def _drift(workspace: Workspace, declared: DeclaredProblem, observed: datetime) -> Iterator[Signal]:
    name = table_name(declared, TABLE)
    if not workspace.lake.exists(name):
        return
    serving = workspace.ledger.champion(declared.problem.name)
    rows = workspace.lake.read(name, where="state = 'drift'").to_pylist()
    for version in sorted({row["version"] for row in rows}):
        own = [row for row in rows if row["version"] == version]
        for episode in episodes(workspace, declared, version):
            changes = _clearest(own, episode)
            answers = serving.version if serving else None
            yield drift_signal(episode, changes, answers=answers, now=observed)


def _clearest(rows: list[dict], episode: Episode) -> list[ColumnChange]:
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
